// Starting a job: a dataset, a target, and as much more as one likes. Every change is shown to the server at once (a dry
// run stores nothing), so that layers, warnings and faults stand beside the form before anything starts.

import { useEffect, useRef, useState } from "preact/hooks";
import { useLocation, useRoute } from "preact-iso";
import { ApiError, get, key, keyWanted, list, post } from "../api/client";
import type { Dataset, Fault, Job, Json, JsonObject } from "../api/types";
import { useLive } from "../live";
import { Curve } from "../logic/curve";
import { bytes, count, number } from "../logic/format";
import { body, curl, type Form } from "../logic/spec";
import { guess } from "../logic/target";
import { DataFields } from "../parts/DataFields";
import { title } from "../parts/Header";
import { Problem, Warnings } from "../parts/Problem";
import { Spark } from "../parts/Spark";

const PAUSE_MS = 350;

interface Preview {
  spec: JsonObject;
  layers?: JsonObject[];
  parameters?: number;
  steps?: number;
  steps_per_epoch?: number;
  training_rows?: number;
  /** Whether the counts are exact, or an upper bound. */
  exact?: boolean;
  memory_bytes?: number;
  schedule?: { step?: number[]; learning_rate?: number[] };
  warnings?: Fault[];
}

export function NewJobPage() {
  const { query } = useRoute();
  const { route } = useLocation();
  const [form, setForm] = useState<Form>({
    dataset: query.dataset ?? "",
    target: query.target ?? "",
    name: "",
    hidden: "",
    epochs: "",
    optimizer: "",
    learningRate: "",
    more: "",
  });
  const [datasets, setDatasets] = useState<Dataset[] | null>(null);
  const [chosen, setChosen] = useState<Dataset | null>(null);
  const [optimizers, setOptimizers] = useState<string[]>([]);
  const [preview, setPreview] = useState<Preview | null>(null);
  const [faults, setFaults] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState<Error | null>(null);
  useEffect(() => title("New job"), []);

  const { error } = useLive(async (signal) => {
    const found = await list<Dataset>("/v1/datasets", 500, signal);
    setDatasets(found);
    setForm((now) => (now.dataset ? now : { ...now, dataset: found[0]?.name ?? found[0]?.id ?? "" }));
    const { optimizers: known } = await get<{ optimizers?: { type: string }[] }>("/v1/capabilities", signal);
    setOptimizers(known?.map((one) => one.type) ?? []);
    return false;
  }, []);

  useLive(
    async (signal) => {
      if (!form.dataset) return false;
      const found = await get<Dataset>(`/v1/datasets/${encodeURIComponent(form.dataset)}`, signal);
      setChosen(found);
      // The last column is the usual place of a target; the viewer sees the choice and may change it.
      const names = (found.columns ?? []).map((column) => column.name);
      setForm((now) => (names.includes(now.target) ? now : { ...now, target: guess(found) }));
      return false;
    },
    [form.dataset],
  );

  const usual = useRef("adam");
  const written = body(form, usual.current);
  const text = written.ok ? JSON.stringify(written.body) : "";
  useEffect(() => {
    if (!written.ok || !form.dataset || !form.target) return;
    const stop = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const shown = await post<Preview>("/v1/jobs?dry_run=true", written.body, stop.signal);
        if (!("optimizer" in written.body)) usual.current = naming(shown.spec.optimizer) || "adam";
        setPreview(shown);
        setFaults(null);
      } catch (caught) {
        if (stop.signal.aborted) return;
        setFaults(caught as Error);
      }
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [text, form.dataset, form.target, key.value, keyWanted.value]);

  const change = (part: Partial<Form>) => setForm((now) => ({ ...now, ...part }));
  const start = async () => {
    if (!written.ok) return;
    setBusy(true);
    setFailed(null);
    try {
      const made = await post<Job>("/v1/jobs", written.body);
      route(`/jobs/${made.id}`);
    } catch (caught) {
      setFailed(caught as Error);
    } finally {
      setBusy(false);
    }
  };
  const fault = written.ok ? null : written;
  const wrong = (field: keyof Form) =>
    fault?.field === field ? (
      <span class="fault small" id={`${field}-fault`} role="alert">
        {fault.message}
      </span>
    ) : null;

  if (datasets && datasets.length === 0) {
    return (
      <section class="empty">
        <h1>New job</h1>
        <p>
          There is no dataset yet. <a href="/datasets">Upload one or install a sample</a> first.
        </p>
      </section>
    );
  }
  return (
    <>
      <div class="heading">
        <h1>New job</h1>
      </div>
      <Problem error={error} />
      <div class="columns even">
        <form
          class="panel fields"
          aria-label="New job"
          onSubmit={(event) => {
            event.preventDefault();
            start();
          }}
        >
          <DataFields
            datasets={datasets}
            dataset={form.dataset}
            chosen={chosen}
            target={form.target}
            onChange={change}
          />
          <p class="small muted">That is enough: everything else has a default that trains well, shown beside.</p>
          <div class="row">
            <div class="field">
              <label for="name">Name</label>
              <input id="name" value={form.name} onInput={(event) => change({ name: event.currentTarget.value })} />
            </div>
            <div class="field">
              <label for="hidden">Hidden layers</label>
              <input
                id="hidden"
                placeholder="64, 32"
                value={form.hidden}
                aria-describedby="hidden-fault"
                onInput={(event) => change({ hidden: event.currentTarget.value })}
              />
              {wrong("hidden")}
            </div>
          </div>
          <div class="row">
            <div class="field">
              <label for="optimizer">Optimizer</label>
              <select
                id="optimizer"
                value={form.optimizer}
                onChange={(event) => change({ optimizer: event.currentTarget.value })}
              >
                <option value="">default</option>
                {optimizers.map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </div>
            <div class="field">
              <label for="learningRate">Learning rate</label>
              <input
                id="learningRate"
                inputMode="decimal"
                placeholder="default"
                value={form.learningRate}
                aria-describedby="learningRate-fault"
                onInput={(event) => change({ learningRate: event.currentTarget.value })}
              />
              {wrong("learningRate")}
            </div>
            <div class="field">
              <label for="epochs">Epochs, at most</label>
              <input
                id="epochs"
                inputMode="numeric"
                placeholder="default"
                value={form.epochs}
                aria-describedby="epochs-fault"
                onInput={(event) => change({ epochs: event.currentTarget.value })}
              />
              {wrong("epochs")}
            </div>
          </div>
          <div class="field">
            <label for="more">More, as JSON merged over the above</label>
            <textarea
              id="more"
              rows={6}
              spellcheck={false}
              placeholder={'{ "dropout": 0.2, "seed": 7, "checks": ["gradient"] }'}
              value={form.more}
              aria-describedby="more-fault"
              onInput={(event) => change({ more: event.currentTarget.value })}
            />
            {wrong("more")}
          </div>
          <Problem error={failed} title="The job was not started" />
          <div class="actions">
            <button type="submit" class="primary" disabled={busy || !written.ok || !form.target}>
              {busy ? "Starting…" : "Start training"}
            </button>
          </div>
          {written.ok ? (
            <details>
              <summary class="small">The same from a terminal</summary>
              {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
              <pre class="json" tabIndex={0}>
                <code>{curl(location.origin, written.body, Boolean(key.value))}</code>
              </pre>
            </details>
          ) : null}
        </form>
        <section class="panel" aria-labelledby="preview-title" aria-live="polite">
          <div class="panel-head">
            <h2 id="preview-title">What would be trained</h2>
          </div>
          <Problem error={faults} title={faults instanceof ApiError ? "The server would refuse this" : "No preview"} />
          {preview && !faults ? <PreviewText preview={preview} /> : null}
          {!preview && !faults ? <p class="muted small">Choose a dataset and a target.</p> : null}
        </section>
      </div>
    </>
  );
}

function PreviewText({ preview }: { preview: Preview }) {
  const rates = preview.schedule?.learning_rate ?? [];
  const moves = rates.some((rate) => rate !== rates[0]);
  const schedule = new Curve("step");
  if (moves) {
    const columns = { step: preview.schedule?.step ?? [], learning_rate: rates };
    schedule.append({ by: "step", columns, next_cursor: "", complete: true });
  }
  return (
    <>
      {preview.warnings?.length ? (
        <div class="problem">
          <strong>Warnings</strong>
          <Warnings warnings={preview.warnings} />
        </div>
      ) : null}
      <dl class="values">
        <div>
          <dt>parameters{preview.exact === false ? ", at most" : ""}</dt>
          <dd>{count(preview.parameters)}</dd>
        </div>
        <div>
          <dt>training rows</dt>
          <dd>{count(preview.training_rows)}</dd>
        </div>
        <div>
          <dt>steps</dt>
          <dd>
            {count(preview.steps)}
            {preview.steps_per_epoch ? (
              <span class="small muted"> {count(preview.steps_per_epoch)} an epoch</span>
            ) : null}
          </dd>
        </div>
        <div>
          <dt>memory</dt>
          <dd>{bytes(preview.memory_bytes)}</dd>
        </div>
        {rates.length > 0 ? (
          <div>
            <dt>learning rate</dt>
            <dd>{moves ? `${number(rates[0])} → ${number(rates.at(-1))}` : number(rates[0])}</dd>
          </div>
        ) : null}
        {moves ? <Spark curve={schedule} of={["learning_rate"]} /> : null}
      </dl>
      {preview.layers?.length ? (
        <table class="list compact">
          <thead>
            <tr>
              <th scope="col">Layer</th>
              <th scope="col">Shape</th>
              <th scope="col" class="num">
                Parameters
              </th>
            </tr>
          </thead>
          <tbody>
            {preview.layers.map((layer, index) => (
              <tr key={`${index} ${layer.name}`}>
                <th scope="row">
                  <code>{String(layer.name ?? layer.kind ?? index)}</code>{" "}
                  <span class="small muted">{traits(layer)}</span>
                </th>
                <td>{Array.isArray(layer.shape) ? layer.shape.join(" × ") : String(layer.shape ?? "–")}</td>
                <td class="num">{count(Number(layer.parameters ?? 0))}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : null}
      <details>
        <summary class="small">The whole spec, every default filled in</summary>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
        <pre class="json" tabIndex={0}>
          <code>{JSON.stringify(preview.spec, null, 2)}</code>
        </pre>
      </details>
    </>
  );
}

/** What stands beside a layer's name: everything about it that is not the plain case. */
function traits(layer: JsonObject): string {
  const named = [layer.activation, layer.normalization]
    .map(naming)
    .filter((name) => !["", "identity", "none"].includes(name));
  if (typeof layer.dropout === "number" && layer.dropout > 0) named.push(`dropout ${layer.dropout}`);
  return named.join(", ");
}

function naming(value: Json | undefined): string {
  return value && typeof value === "object" && !Array.isArray(value) ? String(value.type ?? "") : String(value ?? "");
}
