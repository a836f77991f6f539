// Several jobs side by side: one curve each, how each ended, and every field in which their specs differ.

import { useEffect, useState } from "preact/hooks";
import { useLocation } from "preact-iso";
import { get } from "../api/client";
import type { Job, Json } from "../api/types";
import { useLive } from "../live";
import { Curve } from "../logic/curve";
import { duration, number } from "../logic/format";
import { Chart, type Look, Swatch } from "../parts/Chart";
import { Choice } from "../parts/Choice";
import { title } from "../parts/Header";
import { Problem } from "../parts/Problem";
import { Scroll } from "../parts/Scroll";
import { FINISHED, Status } from "../parts/Status";

interface Comparison {
  metrics: Record<string, number | string | null>[];
  jobs: Pick<Job, "id" | "name" | "status" | "best" | "last" | "train_seconds" | "parameters">[];
  spec_differences: { pointer: string; values: Json[] }[];
}

const METRICS = ["val_loss", "loss", "val_accuracy", "accuracy"];
const COLOURS = 8;

/** Colours first; beyond them the same again in dashes. */
function looks(n: number): Look[] {
  return Array.from({ length: n }, (_, at) => ({
    className: `line-${at % COLOURS}`,
    width: 2,
    dash: at < COLOURS ? [] : [7, 4],
  }));
}

export function ComparePage() {
  const { url } = useLocation();
  const ids = new URL(url, location.origin).searchParams.getAll("job");
  const [metric, setMetric] = useState("val_loss");
  const [found, setFound] = useState<Comparison | null>(null);
  const [curve, setCurve] = useState(() => new Curve("epoch"));
  const [version, setVersion] = useState(0);
  const [point, setPoint] = useState<number | null>(null);
  useEffect(() => title("Compare"), []);

  const { error } = useLive(
    async (signal) => {
      const search = new URLSearchParams([...ids.map((id) => ["job", id]), ["names", metric]]);
      const answer = await get<Comparison>(`/v1/compare?${search}`, signal);
      const drawn = new Curve("epoch");
      for (const { id } of answer.jobs) {
        const rows = answer.metrics.filter((row) => row.job === id);
        const columns = { epoch: rows.map((row) => Number(row.epoch)), [id]: rows.map((row) => finite(row[metric])) };
        drawn.append({ by: "epoch", columns, next_cursor: "", complete: true });
      }
      setFound(answer);
      setCurve(drawn);
      setVersion((v) => v + 1);
      return answer.jobs.some((job) => !FINISHED.includes(job.status));
    },
    [ids.join(" "), metric],
  );

  const jobs = found?.jobs ?? [];
  const lines = looks(jobs.length);
  const name = (job: Comparison["jobs"][number]) => job.name ?? `job ${job.id.slice(-6)}`;
  const columns = jobs.map((job) => job.id);
  return (
    <>
      <div class="heading">
        <h1>Compare {jobs.length > 0 ? `${jobs.length} jobs` : ""}</h1>
        <Choice name="metric" legend="Metric" value={metric} values={METRICS} onChange={setMetric} />
      </div>
      <Problem error={error} />
      {ids.length === 0 ? (
        <p class="muted">
          Mark some <a href="/jobs">jobs</a> to compare them.
        </p>
      ) : null}
      {jobs.length > 0 ? (
        <>
          <section class="panel block" aria-label="Curves">
            <div class="legend">
              <span class="muted">epoch {point === null ? "–" : (curve.x[point] ?? "–")}</span>
              {jobs.map((job, at) => (
                <span key={job.id} class="legend-entry">
                  {lines[at] ? <Swatch look={lines[at]} /> : null}
                  {name(job)} <b class="num">{number(point === null ? null : curve.columns.get(job.id)?.[point])}</b>
                </span>
              ))}
            </div>
            {curve.x.length > 0 ? (
              <Chart
                curve={curve}
                version={version}
                columns={columns}
                looks={lines}
                log={metric.endsWith("loss")}
                best={null}
                onPoint={setPoint}
                label={`${metric} of ${jobs.map(name).join(", ")} over epochs`}
              />
            ) : (
              <div class="chart chart-empty muted">None of these jobs recorded {metric}.</div>
            )}
          </section>
          <section class="panel block" aria-labelledby="ended-title">
            <h2 id="ended-title">How each ended</h2>
            <Scroll label="How each ended">
              <table class="list compact">
                <thead>
                  <tr>
                    <th scope="col">Job</th>
                    <th scope="col">Status</th>
                    <th scope="col" class="num">
                      Best
                    </th>
                    <th scope="col" class="num">
                      Last {metric}
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
                  {jobs.map((job, at) => (
                    <tr key={job.id}>
                      <th scope="row">
                        {lines[at] ? <Swatch look={lines[at]} /> : null} <a href={`/jobs/${job.id}`}>{name(job)}</a>
                      </th>
                      <td>
                        <Status status={job.status} />
                      </td>
                      <td class="num">
                        {number(job.best?.value)} <span class="small muted">{job.best?.metric}</span>
                      </td>
                      <td class="num">{number(job.last?.[metric])}</td>
                      <td class="num">{number(job.parameters)}</td>
                      <td class="num">{duration(job.train_seconds)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </Scroll>
          </section>
          <Differences jobs={jobs.map(name)} differences={found?.spec_differences ?? []} />
        </>
      ) : null}
    </>
  );
}

function Differences({ jobs, differences }: { jobs: string[]; differences: Comparison["spec_differences"] }) {
  return (
    <section class="panel block" aria-labelledby="differences-title">
      <h2 id="differences-title">Where their specs differ</h2>
      {differences.length === 0 ? (
        <p class="muted small">Nowhere.</p>
      ) : (
        <Scroll label="Where their specs differ">
          <table class="list compact">
            <thead>
              <tr>
                <th scope="col">Field</th>
                {jobs.map((name, at) => (
                  <th key={`${name} ${at}`} scope="col">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {differences.map(({ pointer, values }) => (
                <tr key={pointer}>
                  <th scope="row">
                    <code>{pointer}</code>
                  </th>
                  {values.map((value, at) => (
                    <td key={`${pointer} ${jobs[at]}`}>
                      <code>{value === null ? "–" : JSON.stringify(value)}</code>
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </section>
  );
}

function finite(value: number | string | null | undefined): number | null {
  return typeof value === "number" ? value : null;
}
