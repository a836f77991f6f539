// One job: its curve while it trains, its numbers, what happened, and what it gives.

import { useEffect, useState } from "preact/hooks";
import { useRoute } from "preact-iso";
import { get } from "../api/client";
import type { Job, JsonObject } from "../api/types";
import { useLive, useNow } from "../live";
import { ago, bytes, compact, count, duration, jobName, number, words } from "../logic/format";
import { title } from "../parts/Header";
import { Opening, Problem, ProblemText, Warnings } from "../parts/Problem";
import { FINISHED, Status } from "../parts/Status";
import { JobActions } from "./job/Actions";
import { Checkpoints } from "./job/Checkpoints";
import { Checks } from "./job/Checks";
import { Curves } from "./job/Curves";
import { Diagnosis } from "./job/Diagnosis";
import { EvaluationPanel } from "./job/Evaluation";
import { Events } from "./job/Events";
import { Folds } from "./job/Folds";
import { Layers } from "./job/Layers";
import { Lineage } from "./job/Lineage";
import { Predict } from "./job/Predict";

export function JobPage() {
  const { params } = useRoute();
  // A page for each job: nothing of the one before is left in it.
  return <OneJob key={params.id} id={params.id ?? ""} />;
}

function OneJob({ id }: { id: string }) {
  const [job, setJob] = useState<Job | null>(null);
  const now = useNow();
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  const { error, poke } = useLive(
    async (signal) => {
      const answer = await get<Job>(path, signal);
      setJob(answer);
      return !FINISHED.includes(answer.status);
    },
    [id],
  );
  const name = job ? jobName(job) : id;
  useEffect(() => title(job ? `${name} · ${words(job.status)}` : name), [name, job?.status]);

  if (!job) return <Opening name={id} error={error} />;
  const finished = FINISHED.includes(job.status);
  return (
    <>
      <div class="heading">
        <div class="grow">
          <h1>{name}</h1>
          <p class="small muted">
            <code>{job.id}</code> · on <a href={`/datasets/${job.dataset.id}`}>{job.dataset.name ?? job.dataset.id}</a>{" "}
            · created{" "}
            <time dateTime={job.created_at} title={job.created_at}>
              {ago(job.created_at, now)}
            </time>
            {job.parent?.job ? (
              <>
                {" "}
                · {job.parent.relation} of <a href={`/jobs/${job.parent.job}`}>{job.parent.job}</a>
                {job.parent.finding ? `, because of: ${words(job.parent.finding)}` : null}
              </>
            ) : null}
            {Object.entries(job.tags ?? {}).map(([tag, value]) => (
              <span key={tag} class="tag">
                {tag}: {value}
              </span>
            ))}
          </p>
        </div>
        <JobActions job={job} onChange={poke} />
      </div>
      <Problem error={error} />
      {job.error ? (
        <div class="problem bad">
          <ProblemText problem={job.error} />
        </div>
      ) : null}
      {job.warnings?.length ? (
        <details class="problem">
          <summary>What the server noticed ({count(job.warnings.length)})</summary>
          <Warnings warnings={job.warnings} />
        </details>
      ) : null}
      <Facts job={job} />
      <div class="columns">
        <Curves id={job.id} name={name} best={job.best} finished={finished} />
        <Events id={job.id} finished={finished} onNews={poke} />
      </div>
      <div class="columns">
        <div class="stack">
          {job.folds ? <Folds folds={job.folds} /> : null}
          <EvaluationPanel
            id={job.id}
            ready={job.best !== null}
            finished={finished}
            epoch={job.best?.epoch ?? -1}
            parts={job.folds ? ["out_of_fold"] : undefined}
          />
        </div>
        <div class="stack">
          <Diagnosis id={job.id} finished={finished} />
          <Lineage id={job.id} finished={finished} />
          {job.folds ? null : (
            <>
              <Checks id={job.id} finished={finished} />
              <Layers id={job.id} finished={finished} />
              <Checkpoints id={job.id} name={name} epoch={job.progress?.epoch ?? 0} finished={finished} />
            </>
          )}
        </div>
      </div>
      {job.best && finished && !job.folds ? (
        <Predict id={job.id} dataset={job.dataset.id} targets={targets(job.spec)} />
      ) : null}
      <Spec title="Spec, every default filled in" value={job.spec} />
      <Spec title="Request, as it was sent" value={job.request} />
    </>
  );
}

/** The columns that a spec predicts. */
function targets(spec: JsonObject | undefined): string[] {
  const listed = spec?.targets ?? spec?.target;
  const all = Array.isArray(listed) ? listed : [listed];
  return all.flatMap((one) => {
    if (typeof one === "string") return [one];
    return one && typeof one === "object" && !Array.isArray(one) && typeof one.column === "string" ? [one.column] : [];
  });
}

function Facts({ job }: { job: Job }) {
  const { progress, best, last } = job;
  const running = job.status === "running";
  const rest = Object.entries(last ?? {}).filter(([name]) => /^(val_|test_)?(loss|accuracy)$/.test(name));
  return (
    <section class="facts" aria-label="State">
      <div class="fact wide">
        <span class="fact-name">
          <Status status={job.status} reason={job.stop_reason} />
        </span>
        {progress ? (
          <>
            <progress max={1} value={Math.min(progress.fraction, 1)} aria-label="Progress" />
            <span class="small muted">
              epoch {count(progress.epoch)} / {count(progress.epochs)} · step {count(progress.step)} /{" "}
              {count(progress.steps)}
            </span>
          </>
        ) : (
          <span class="small muted">
            {job.queue_position ? `position ${job.queue_position} in the queue` : (job.queue_reason ?? "")}
          </span>
        )}
      </div>
      <Fact name={running ? "Time left" : "Training time"}>
        {running ? duration(progress?.eta_seconds) : duration(job.train_seconds)}
      </Fact>
      <Fact name="Rows per second">{compact(progress?.samples_per_second)}</Fact>
      {progress?.patience_left !== null && progress?.patience_left !== undefined && !FINISHED.includes(job.status) ? (
        <Fact name="Patience left" note="epochs">
          {count(progress.patience_left)}
        </Fact>
      ) : null}
      <Fact name={`Best ${best?.metric ?? ""}`} note={best ? `epoch ${count(best.epoch)}` : ""}>
        {number(best?.value)}
      </Fact>
      {rest.slice(0, 4).map(([name, value]) => (
        <Fact key={name} name={`Last ${name}`}>
          {number(value)}
        </Fact>
      ))}
      <Fact name="Parameters" note={bytes(job.memory_bytes)}>
        {count(job.parameters)}
      </Fact>
      {job.attempt > 1 ? <Fact name="Attempt">{count(job.attempt)}</Fact> : null}
    </section>
  );
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

function Spec({ title: name, value }: { title: string; value: JsonObject | undefined }) {
  const [copied, setCopied] = useState(false);
  if (!value) return null;
  const text = JSON.stringify(value, null, 2);
  return (
    <details class="panel">
      <summary>{name}</summary>
      <button
        type="button"
        class="quiet"
        onClick={() => navigator.clipboard?.writeText(text).then(() => setCopied(true))}
      >
        {copied ? "Copied" : "Copy"}
      </button>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
      <pre class="json" tabIndex={0}>
        <code>{text}</code>
      </pre>
    </details>
  );
}
