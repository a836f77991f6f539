// The list of jobs: state, progress, best value and a small curve of each, newest first.

import { useEffect, useRef, useState } from "preact/hooks";
import { useLocation, useRoute } from "preact-iso";
import { get } from "../api/client";
import type { Job, Metrics, Status as Name, Page } from "../api/types";
import { useLive, useNow } from "../live";
import { Curve } from "../logic/curve";
import { ago, compact, duration, jobName, number } from "../logic/format";
import { title } from "../parts/Header";
import { Pages } from "../parts/Pages";
import { Problem } from "../parts/Problem";
import { ProgressBar } from "../parts/ProgressBar";
import { Scroll } from "../parts/Scroll";
import { Spark } from "../parts/Spark";
import { FINISHED, Status } from "../parts/Status";

const STATUSES: Name[] = ["running", "queued", "paused", "succeeded", "failed", "cancelled"];
const PAGE = 50;
/** Small curves fetched at a time, so that they never crowd out the list itself. */
const AT_ONCE = 3;

export function JobsPage() {
  const { query } = useRoute();
  const { route } = useLocation();
  const status = query.status ?? "";
  const dataset = query.dataset ?? "";
  const after = query.after ?? "";
  const [page, setPage] = useState<Page<Job> | null>(null);
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());
  const { sparks, follow } = useSparks();
  const now = useNow();
  useEffect(() => title("Jobs"), []);

  const { error } = useLive(
    async (signal) => {
      const search = new URLSearchParams({ limit: String(PAGE) });
      if (status) search.set("status", status);
      if (dataset) search.set("dataset", dataset);
      if (after) search.set("after", after);
      const answer = await get<Page<Job>>(`/v1/jobs?${search}`, signal);
      setPage(answer);
      await follow(answer.data, signal);
      return true;
    },
    [status, dataset, after],
  );

  const go = (change: Record<string, string>) => {
    const search = new URLSearchParams({ status, dataset, after: "", ...change });
    for (const [name, value] of [...search]) if (!value) search.delete(name);
    route(`/jobs${search.size ? `?${search}` : ""}`);
  };

  return (
    <>
      <div class="heading">
        <h1>Jobs</h1>
        <fieldset class="choice">
          <legend class="hidden">Show</legend>
          {["", ...STATUSES].map((name) => (
            <label key={name}>
              <input type="radio" name="status" checked={status === name} onChange={() => go({ status: name })} />
              <span>{name || "all"}</span>
            </label>
          ))}
        </fieldset>
        {dataset ? (
          <button type="button" class="quiet" onClick={() => go({ dataset: "" })}>
            dataset {dataset} ✕
          </button>
        ) : null}
        <span class="spring" />
        {marked.size > 1 ? (
          <a class="button" href={`/compare?${new URLSearchParams([...marked].map((id) => ["job", id]))}`}>
            Compare {marked.size} jobs
          </a>
        ) : null}
      </div>
      <Problem error={error} />
      {page && page.data.length === 0 ? <Empty filtered={Boolean(status || dataset || after)} /> : null}
      {page && page.data.length > 0 ? (
        <Scroll label="Jobs">
          <table class="list jobs">
            <thead>
              <tr>
                <th scope="col">
                  <span class="hidden">Compare</span>
                </th>
                <th scope="col">Job</th>
                <th scope="col">Status</th>
                <th scope="col">Progress</th>
                <th scope="col">Loss</th>
                <th scope="col" class="num">
                  Last
                </th>
                <th scope="col" class="num">
                  Best
                </th>
                <th scope="col" class="num">
                  Time
                </th>
                <th scope="col">Created</th>
              </tr>
            </thead>
            <tbody>
              {page.data.map((job) => (
                <Row
                  key={job.id}
                  job={job}
                  spark={sparks.get(job.id)}
                  now={now}
                  marked={marked.has(job.id)}
                  onMark={(on) => setMarked(marking(marked, job.id, on))}
                />
              ))}
            </tbody>
          </table>
        </Scroll>
      ) : null}
      <Pages page={page} after={after} onGo={(next) => go(next ? { after: next } : {})} />
    </>
  );
}

/** The set with or without one more. */
function marking(set: ReadonlySet<string>, id: string, on: boolean): ReadonlySet<string> {
  const changed = new Set(set);
  if (on) changed.add(id);
  else changed.delete(id);
  return changed;
}

interface RowProps {
  job: Job;
  spark: Curve | undefined;
  now: number;
  marked: boolean;
  onMark: (on: boolean) => void;
}

function Row({ job, spark, now, marked, onMark }: RowProps) {
  const shown = job.last?.val_loss ?? job.last?.loss;
  return (
    <tr>
      <td>
        <input
          type="checkbox"
          checked={marked}
          aria-label={`Compare ${jobName(job)}`}
          onChange={(event) => onMark(event.currentTarget.checked)}
        />
      </td>
      <th scope="row">
        <a href={`/jobs/${job.id}`}>{jobName(job)}</a>
        <div class="small muted">
          {job.dataset.name ?? job.dataset.id}
          {job.parameters ? ` · ${compact(job.parameters)} parameters` : ""}
          {Object.entries(job.tags ?? {}).map(([name, value]) => ` · ${name}:${value}`)}
        </div>
      </th>
      <td>
        <Status status={job.status} reason={job.status === "queued" ? job.queue_reason : job.stop_reason} />
      </td>
      <td>
        <ProgressBar job={job} />
      </td>
      <td>
        <Spark curve={spark} />
      </td>
      <td class="num">{number(shown)}</td>
      <td class="num">
        {job.best ? (
          <>
            {number(job.best.value)}
            <div class="small muted">
              {job.best.metric} · epoch {job.best.epoch}
            </div>
          </>
        ) : (
          "–"
        )}
      </td>
      <td class="num">{duration(job.train_seconds)}</td>
      <td>
        <time dateTime={job.created_at} title={job.created_at}>
          {ago(job.created_at, now)}
        </time>
      </td>
    </tr>
  );
}

function Empty({ filtered }: { filtered: boolean }) {
  if (filtered) {
    return (
      <section class="empty">
        <h2>No such jobs</h2>
        <p>
          <a href="/jobs">Show all</a>
        </p>
      </section>
    );
  }
  return (
    <section class="empty">
      <h2>No jobs yet</h2>
      <p>
        <a href="/datasets">Upload a dataset</a> or install a sample, then <a href="/jobs/new">start a job</a>. From a
        terminal:
      </p>
      <pre>
        <code>{`curl -T iris.csv ${location.origin}/v1/datasets/iris
curl --json '{"dataset":"iris","target":"species"}' ${location.origin}/v1/jobs`}</code>
      </pre>
    </section>
  );
}

/** Keeps a thinned curve of each job of the list; asks again only for jobs that have moved since. */
function useSparks() {
  const [sparks, setSparks] = useState<ReadonlyMap<string, Curve>>(new Map());
  const seen = useRef(new Map<string, string>());
  const follow = async (jobs: Job[], signal: AbortSignal) => {
    const stamp = (job: Job) => `${job.progress?.epoch ?? 0} ${job.attempt} ${FINISHED.includes(job.status)}`;
    const moved = jobs.filter((job) => job.started_at !== null && seen.current.get(job.id) !== stamp(job));
    const fresh = new Map<string, Curve>();
    const next = async (): Promise<void> => {
      const job = moved.shift();
      if (!job || signal.aborted) return;
      try {
        const curve = new Curve("epoch");
        curve.replace(
          await get<Metrics>(`/v1/jobs/${job.id}/metrics?by=epoch&names=loss,val_loss&max_points=120`, signal),
        );
        fresh.set(job.id, curve);
        seen.current.set(job.id, stamp(job));
      } catch {
        // A row without its small curve is no reason to disturb anybody; the next round asks again.
      }
      return next();
    };
    await Promise.all(Array.from({ length: AT_ONCE }, next));
    if (fresh.size > 0 && !signal.aborted) setSparks((before) => new Map([...before, ...fresh]));
  };
  return { sparks, follow };
}
