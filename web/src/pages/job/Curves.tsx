// The live curves of a job: which quantity, by epoch or step, linear or logarithmic.

import { useMemo, useRef, useState } from "preact/hooks";
import { get } from "../../api/client";
import type { Job, Metrics } from "../../api/types";
import { useLive } from "../../live";
import { Curve, groups } from "../../logic/curve";
import { count, number } from "../../logic/format";
import { Chart, look, Swatch } from "../../parts/Chart";
import { Choice } from "../../parts/Choice";
import { Download } from "../../parts/Download";
import { Problem } from "../../parts/Problem";

/** Points can be a million; a screen shows no more than this. The server thins the whole and keeps every extreme. */
const THINNED = 4000;
/** Points that have come since may add up to this before the whole is thinned again. */
const MOST = 4 * THINNED;
const ROWS = 12;

interface Props {
  id: string;
  name: string;
  best: Job["best"];
  finished: boolean;
}

export function Curves({ id, name, best, finished }: Props) {
  const [by, setBy] = useState<"epoch" | "step">("epoch");
  const [log, setLog] = useState<boolean | null>(null);
  const [chosen, setChosen] = useState("loss");
  const [version, setVersion] = useState(0);
  const [thinned, setThinned] = useState(false);
  const [point, setPoint] = useState<number | null>(null);
  const curve = useRef(new Curve("epoch"));

  const { error } = useLive(
    async (signal) => {
      if (curve.current.by !== by) curve.current = new Curve(by);
      const shown = curve.current;
      const path = `/v1/jobs/${id}/metrics?by=${by}`;
      const before = shown.version;
      let answer: Metrics;
      do {
        const whole = shown.cursor === null || shown.x.length > MOST;
        const part = whole ? `&max_points=${THINNED}` : `&after=${encodeURIComponent(shown.cursor ?? "")}`;
        answer = await get<Metrics>(path + part, signal);
        if (whole) {
          shown.replace(answer);
          setThinned(answer.downsampled === true);
        } else shown.append(answer);
      } while (answer.has_more && !signal.aborted);
      if (shown.version !== before) setVersion((v) => v + 1);
      return !shown.complete;
    },
    // A job that has finished is asked once more: its last points came with its end.
    [id, by, finished],
  );

  const found = useMemo(() => groups(curve.current.columns.keys()), [version]);
  const group = found.find((g) => g.name === chosen) ?? found[0];
  const columns = group?.columns ?? [];
  // Losses and rates live on a log scale unless the viewer says otherwise; shares like accuracy do not.
  const logarithmic = log ?? /loss|learning_rate|norm|objective/.test(group?.name ?? "");
  const data = curve.current;
  const last = data.x.length - 1;
  const at = point ?? last;
  const mark = best && by === "epoch" && columns.includes(best.metric) ? { x: best.epoch, column: best.metric } : null;
  const spoken = columns
    .map((column) => `${column} ${number(last >= 0 ? data.columns.get(column)?.[last] : null)}`)
    .join(", ");

  return (
    <section class="panel curves" aria-labelledby="curves-title">
      <div class="panel-head">
        <h2 id="curves-title">Curves</h2>
        {found.length > 1 ? (
          <label class="inline">
            <span class="hidden">Quantity</span>
            <select value={group?.name ?? ""} onChange={(event) => setChosen(event.currentTarget.value)}>
              {found.map((g) => (
                <option key={g.name} value={g.name}>
                  {g.name}
                </option>
              ))}
            </select>
          </label>
        ) : null}
        <span class="spring" />
        <Choice name="by" legend="Over" value={by} values={["epoch", "step"]} onChange={(v) => setBy(v as typeof by)} />
        <Choice
          name="scale"
          legend="Scale"
          value={logarithmic ? "log" : "linear"}
          values={["linear", "log"]}
          onChange={(v) => setLog(v === "log")}
        />
      </div>
      <Problem error={error} />
      <div class="legend" aria-live="off">
        <span class="muted">
          {by} {at >= 0 ? count(data.x[at]) : "–"}
        </span>
        {columns.map((column) => (
          <span key={column} class="legend-entry">
            <Swatch look={look(column)} />
            {column} <b class="num">{number(at >= 0 ? data.columns.get(column)?.[at] : null)}</b>
          </span>
        ))}
        {mark ? (
          <span class="muted">
            best {number(best?.value)} at epoch {count(mark.x)}
          </span>
        ) : null}
      </div>
      {data.x.length === 0 ? (
        <div class="chart chart-empty muted">
          {finished ? "No points were recorded." : "Waiting for the first point…"}
        </div>
      ) : (
        <Chart
          curve={data}
          version={version}
          columns={columns}
          log={logarithmic}
          best={mark}
          onPoint={setPoint}
          label={`${group?.name ?? ""} over ${by}, ${data.x.length} points; last: ${spoken}`}
        />
      )}
      <div class="panel-foot small">
        <details>
          <summary>Numbers</summary>
          <Numbers curve={data} columns={columns} />
        </details>
        {thinned ? <span class="muted">Thinned to what a screen can show; the CSV has every point.</span> : null}
        <span class="spring" />
        <Download path={`/v1/jobs/${id}/metrics?by=${by}&format=csv`} name={`${name}-${by}.csv`} pages>
          CSV
        </Download>
        <Download path={`/v1/jobs/${id}/loss.svg?log=${logarithmic}`} name={`${name}-loss.svg`}>
          SVG
        </Download>
      </div>
    </section>
  );
}

/** The last values as a table, for those who read rather than look. */
function Numbers({ curve, columns }: { curve: Curve; columns: string[] }) {
  const from = Math.max(0, curve.x.length - ROWS);
  return (
    <table class="list">
      <thead>
        <tr>
          <th scope="col" class="num">
            {curve.by}
          </th>
          {columns.map((name) => (
            <th key={name} scope="col" class="num">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {curve.x.slice(from).map((place, index) => (
          <tr key={place}>
            <th scope="row" class="num">
              {count(place)}
            </th>
            {columns.map((name) => (
              <td key={name} class="num">
                {number(curve.columns.get(name)?.[from + index], 6)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
