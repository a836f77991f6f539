// The runs of the whole strategy, newest first, and the form that starts one.

import { useEffect, useState } from "preact/hooks";
import { useLocation, useRoute } from "preact-iso";
import { get, list, post } from "../api/client";
import type { AutotrainRun, Dataset, Page } from "../api/types";
import { useLive, useNow } from "../live";
import { start } from "../logic/autotrain";
import { ago, count, duration, jobName, number, percent } from "../logic/format";
import { guess } from "../logic/target";
import { DataFields } from "../parts/DataFields";
import { title } from "../parts/Header";
import { Pages } from "../parts/Pages";
import { Problem } from "../parts/Problem";
import { Scroll } from "../parts/Scroll";
import { Status } from "../parts/Status";

const PAGE = 50;

export function AutotrainPage() {
  const { query } = useRoute();
  const { route } = useLocation();
  const after = query.after ?? "";
  const [page, setPage] = useState<Page<AutotrainRun> | null>(null);
  const now = useNow();
  useEffect(() => title("Autotrain"), []);
  const { error } = useLive(
    async (signal) => {
      const search = new URLSearchParams({ limit: String(PAGE) });
      if (after) search.set("after", after);
      setPage(await get<Page<AutotrainRun>>(`/v1/autotrain?${search}`, signal));
      return true;
    },
    [after],
  );
  return (
    <>
      <div class="heading">
        <h1>Autotrain</h1>
      </div>
      <Begin dataset={query.dataset ?? ""} />
      <Problem error={error} />
      {page && page.data.length === 0 ? <p class="muted">No runs yet.</p> : null}
      {page && page.data.length > 0 ? (
        <Scroll label="Runs">
          <table class="list jobs">
            <thead>
              <tr>
                <th scope="col">Run</th>
                <th scope="col">Status</th>
                <th scope="col" class="num">
                  Trainings
                </th>
                <th scope="col" class="num">
                  Validation loss
                </th>
                <th scope="col" class="num">
                  Test
                </th>
                <th scope="col">Model</th>
                <th scope="col" class="num">
                  Time
                </th>
                <th scope="col">Created</th>
              </tr>
            </thead>
            <tbody>
              {page.data.map((run) => (
                <Row key={run.id} run={run} now={now} />
              ))}
            </tbody>
          </table>
        </Scroll>
      ) : null}
      <Pages
        page={page}
        after={after}
        onGo={(next) => route(next ? `/autotrain?after=${encodeURIComponent(next)}` : "/autotrain")}
      />
    </>
  );
}

function Row({ run, now }: { run: AutotrainRun; now: number }) {
  const { result } = run;
  const test = result?.test ?? {};
  const end = run.finished_at ? Date.parse(run.finished_at) : now;
  return (
    <tr>
      <th scope="row">
        <a href={`/autotrain/${run.id}`}>{jobName(run)}</a>
        <div class="small muted">{run.dataset.name ?? run.dataset.id}</div>
      </th>
      <td>
        <Status status={run.status} reason={run.status === "succeeded" ? null : run.stop_reason} />
      </td>
      <td class="num">{count(result?.trainings)}</td>
      <td class="num">{number(result?.validation.loss)}</td>
      <td class="num">
        {test.test_accuracy === undefined ? number(test.test_loss) : `${percent(test.test_accuracy)} right`}
      </td>
      <td>{run.model ? <a href={`/jobs/${run.model}`}>its job</a> : "–"}</td>
      <td class="num">{duration(Math.max(0, (end - Date.parse(run.created_at)) / 1000))}</td>
      <td>
        <time dateTime={run.created_at} title={run.created_at}>
          {ago(run.created_at, now)}
        </time>
      </td>
    </tr>
  );
}

/** A dataset, its target, and how much may be spent. */
function Begin({ dataset: wanted }: { dataset: string }) {
  const { route } = useLocation();
  const [datasets, setDatasets] = useState<Dataset[] | null>(null);
  const [chosen, setChosen] = useState<Dataset | null>(null);
  const [form, setForm] = useState({
    dataset: wanted,
    target: "",
    name: "",
    by: "jobs" as "jobs" | "seconds",
    amount: "",
  });
  const [failed, setFailed] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  const { error } = useLive(async (signal) => {
    const found = await list<Dataset>("/v1/datasets", 500, signal);
    setDatasets(found);
    setForm((now) => (now.dataset ? now : { ...now, dataset: found[0]?.name ?? found[0]?.id ?? "" }));
    return false;
  }, []);
  useLive(
    async (signal) => {
      if (!form.dataset) return false;
      const found = await get<Dataset>(`/v1/datasets/${encodeURIComponent(form.dataset)}`, signal);
      setChosen(found);
      const names = (found.columns ?? []).map((column) => column.name);
      setForm((now) => (names.includes(now.target) ? now : { ...now, target: guess(found) }));
      return false;
    },
    [form.dataset],
  );
  const change = (part: Partial<typeof form>) => setForm((now) => ({ ...now, ...part }));
  const body = start(form);
  const begin = async () => {
    if (typeof body === "string") return;
    setBusy(true);
    setFailed(null);
    try {
      const made = await post<AutotrainRun>("/v1/autotrain", body);
      route(`/autotrain/${made.id}`);
    } catch (caught) {
      setFailed(caught as Error);
    } finally {
      setBusy(false);
    }
  };
  if (datasets && datasets.length === 0) {
    return (
      <p>
        There is no dataset yet. <a href="/datasets">Upload one or install a sample</a> first.
      </p>
    );
  }
  return (
    <form
      class="panel block fields"
      aria-label="Start autotrain"
      onSubmit={(event) => {
        event.preventDefault();
        begin();
      }}
    >
      <p class="small muted">
        The whole strategy on a dataset: checks, the range of the learning rate, a small network, larger ones,
        regularisation, then a model, tested once on rows that decided nothing. Each step says why it was taken.
      </p>
      <div class="row">
        <DataFields datasets={datasets} dataset={form.dataset} chosen={chosen} target={form.target} onChange={change} />
        <div class="field">
          <label for="name">Name</label>
          <input id="name" value={form.name} onInput={(event) => change({ name: event.currentTarget.value })} />
        </div>
        <div class="field">
          <label for="amount">Budget</label>
          <input
            id="amount"
            inputMode="decimal"
            placeholder={form.by === "jobs" ? "24" : "600"}
            value={form.amount}
            aria-invalid={typeof body === "string"}
            aria-describedby="budget-fault"
            onInput={(event) => change({ amount: event.currentTarget.value })}
          />
        </div>
        <div class="field">
          <label for="by">counted in</label>
          <select
            id="by"
            value={form.by}
            onChange={(event) => change({ by: event.currentTarget.value === "seconds" ? "seconds" : "jobs" })}
          >
            <option value="jobs">trainings</option>
            <option value="seconds">seconds</option>
          </select>
        </div>
        <button type="submit" class="primary" disabled={busy || typeof body === "string" || !form.target}>
          {busy ? "Starting…" : "Start"}
        </button>
      </div>
      {typeof body === "string" ? (
        <span class="fault small" id="budget-fault" role="alert">
          {body}
        </span>
      ) : null}
      <Problem error={error} />
      <Problem error={failed} title="The run was not started" />
    </form>
  );
}
