// One run of the whole strategy: what was done, why, and what came of it, step by step while it goes on.

import { useEffect, useState } from "preact/hooks";
import { useLocation, useRoute } from "preact-iso";
import { get, post, remove } from "../api/client";
import type { AutotrainRun, AutotrainStep, Trial } from "../api/types";
import { useLive, useNow } from "../live";
import { bestTrial, budget, meanLoss, standardError, trainings, tried } from "../logic/autotrain";
import { ago, count, duration, jobName, number, percent, words } from "../logic/format";
import { DeleteDialog } from "../parts/DeleteDialog";
import { title } from "../parts/Header";
import { Opening, Problem, ProblemText } from "../parts/Problem";
import { Report } from "../parts/Report";
import { Scroll } from "../parts/Scroll";
import { FINISHED, Status } from "../parts/Status";
import { Verdict } from "../parts/Verdict";

export function AutotrainRunPage() {
  const { params } = useRoute();
  return <OneRun key={params.id} id={params.id ?? ""} />;
}

function OneRun({ id }: { id: string }) {
  const [run, setRun] = useState<AutotrainRun | null>(null);
  const now = useNow();
  const { error, poke } = useLive(
    async (signal) => {
      const answer = await get<AutotrainRun>(`/v1/autotrain/${encodeURIComponent(id)}`, signal);
      setRun(answer);
      return !FINISHED.includes(answer.status);
    },
    [id],
  );
  const name = run ? jobName(run) : id;
  useEffect(() => title(run ? `${name} · ${words(run.status)}` : name), [name, run?.status]);
  if (!run) return <Opening name={id} error={error} />;
  const best = bestTrial(run);
  const steps = run.steps ?? [];
  return (
    <>
      <div class="heading">
        <div class="grow">
          <h1>{name}</h1>
          <p class="small muted">
            autotrain <code>{run.id}</code> · on{" "}
            <a href={`/datasets/${run.dataset.id}`}>{run.dataset.name ?? run.dataset.id}</a> · created{" "}
            <time dateTime={run.created_at} title={run.created_at}>
              {ago(run.created_at, now)}
            </time>
          </p>
        </div>
        <Actions run={run} onChange={poke} />
      </div>
      <Problem error={error} />
      {run.error ? (
        <div class="problem bad">
          <ProblemText problem={run.error} />
        </div>
      ) : null}
      <Facts run={run} best={best} now={now} />
      {run.result?.findings?.length ? (
        <section class="problem" aria-label="Before one believes in the choice">
          <strong>Before one believes in the choice</strong>
          <ul>
            {run.result.findings.map((finding) => (
              <li key={finding.code}>
                {finding.message} <span class="muted">{finding.advice}</span>
              </li>
            ))}
          </ul>
        </section>
      ) : null}
      <ol class="steps" aria-label="Steps">
        {steps.map((step) => (
          <Step key={step.number} step={step} best={best} over={FINISHED.includes(run.status)} />
        ))}
      </ol>
    </>
  );
}

function Actions({ run, onChange }: { run: AutotrainRun; onChange: () => void }) {
  const { route } = useLocation();
  const [asked, setAsked] = useState(false);
  const [failed, setFailed] = useState<Error | null>(null);
  const path = `/v1/autotrain/${run.id}`;
  const cancel = async () => {
    setFailed(null);
    try {
      await post(`${path}/cancel`);
    } catch (caught) {
      setFailed(caught as Error);
    }
    onChange();
  };
  return (
    <div class="actions">
      {run.status === "running" ? (
        <button type="button" onClick={cancel}>
          Cancel
        </button>
      ) : null}
      <Report path={`${path}/report`} name={`${jobName(run)}.html`} />
      {run.model ? (
        <a class="button primary" href={`/jobs/${run.model}`}>
          The model
        </a>
      ) : null}
      {FINISHED.includes(run.status) ? (
        <button type="button" onClick={() => setAsked(true)}>
          Delete…
        </button>
      ) : null}
      <Problem error={failed} />
      {asked ? (
        <DeleteDialog
          name={jobName(run)}
          onClose={() => setAsked(false)}
          onYes={() => remove(path).then(() => route("/autotrain"))}
        >
          Its steps and its trials go with it; the job that has the model stays.
        </DeleteDialog>
      ) : null}
    </div>
  );
}

function Facts({ run, best, now }: { run: AutotrainRun; best: Trial | null; now: number }) {
  const last = run.steps?.at(-1);
  const end = run.finished_at ? Date.parse(run.finished_at) : now;
  const test = Object.entries(run.result?.test ?? {});
  return (
    <section class="facts" aria-label="State">
      <div class="fact wide">
        <span class="fact-name">
          <Status status={run.status} reason={run.status === "succeeded" ? null : run.stop_reason} />
        </span>
        <span class="small muted">
          {last ? `step ${last.number}: ${last.title}` : "the first step is about to begin"}
        </span>
      </div>
      <Fact name={run.finished_at ? "Time" : "Time so far"}>
        {duration(Math.max(0, (end - Date.parse(run.created_at)) / 1000))}
      </Fact>
      <Fact name="Trainings" note={budget(run.spec)}>
        {count(trainings(run))}
      </Fact>
      <Fact name="Best validation loss" note={withError(best)}>
        {number(meanLoss(best))}
      </Fact>
      {best && best.accuracy !== null ? <Fact name="Its accuracy">{percent(best.accuracy)}</Fact> : null}
      {test.map(([name, value]) => (
        <Fact key={name} name={`Model, ${words(name)}`} note="on rows that decided nothing">
          {/accuracy/.test(name) ? percent(value) : number(value)}
        </Fact>
      ))}
    </section>
  );
}

function withError(trial: Trial | null): string {
  const error = standardError(trial);
  return error === null ? "" : `± ${number(error, 2)}`;
}

function Fact({ name, note, children }: { name: string; note?: string; children: preact.ComponentChildren }) {
  return (
    <div class="fact">
      <span class="fact-name">{name}</span>
      <span class="fact-value">{children}</span>
      {note ? <span class="small muted">{note}</span> : null}
    </div>
  );
}

function Step({ step, best, over }: { step: AutotrainStep; best: Trial | null; over: boolean }) {
  const reports = step.outcome?.reports ?? [];
  const heading = `step-${step.number}`;
  return (
    <li class="panel block">
      <section aria-labelledby={heading}>
        <div class="panel-head">
          <h2 id={heading}>
            {step.number}. {step.title}
          </h2>
          {step.finished_at || over ? null : <span class="status status-running">▶ under way</span>}
        </div>
        <p class="muted reason">{step.reason}</p>
        {reports.length ? (
          <ul class="plain">
            {reports.map((report) => (
              <li key={report.check} class="check">
                <b>{words(report.check)}</b> <Verdict verdict={report.verdict} />{" "}
                <span class="small muted">{report.advice}</span>
              </li>
            ))}
          </ul>
        ) : null}
        {step.kind === "train" ? <Trials step={step} best={best} /> : null}
        {step.kind === "final" && step.jobs[0] ? (
          <p>
            <a href={`/jobs/${step.jobs[0]}`}>{step.recipes[0]}</a>
          </p>
        ) : null}
        {step.conclusion && reports.length === 0 ? <p class="conclusion">{step.conclusion}</p> : null}
      </section>
    </li>
  );
}

function Trials({ step, best }: { step: AutotrainStep; best: Trial | null }) {
  return (
    <Scroll label={`Trials of step ${step.number}`}>
      <table class="list compact">
        <thead>
          <tr>
            <th scope="col">What is tried</th>
            <th scope="col" class="num">
              Validation loss
            </th>
            <th scope="col" class="num">
              Training loss
            </th>
            <th scope="col" class="num">
              Accuracy
            </th>
            <th scope="col" class="num">
              Best epoch
            </th>
            <th scope="col" class="num">
              Parameters
            </th>
            <th scope="col" class="num">
              Time
            </th>
          </tr>
        </thead>
        <tbody>
          {tried(step).map(({ recipe, job, trial }) => {
            const isBest = trial !== null && trial.job === best?.job;
            return (
              <tr key={job ?? recipe}>
                <th scope="row">
                  {job ? <a href={`/jobs/${job}`}>{recipe}</a> : recipe}
                  {isBest ? <span class="tag better">best</span> : null}
                </th>
                <td class="num">
                  {trial && trial.losses.length === 0 ? words(trial.status) : number(meanLoss(trial))}
                  <span class="muted"> {withError(trial)}</span>
                </td>
                <td class="num">{number(trial?.train_loss)}</td>
                <td class="num">{percent(trial?.accuracy)}</td>
                <td class="num">{count(trial?.epoch)}</td>
                <td class="num">{count(trial?.parameters)}</td>
                <td class="num">{duration(trial?.seconds)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
  );
}
