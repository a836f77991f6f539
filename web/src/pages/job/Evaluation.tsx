// How good the best model is on rows it did not train on: the numbers of each target and its confusion matrix.

import { useState } from "preact/hooks";
import { ApiError, get } from "../../api/client";
import type { Json, JsonObject } from "../../api/types";
import { useLive } from "../../live";
import { type Task, tasks } from "../../logic/evaluation";
import { count, number, percent, words } from "../../logic/format";
import { Choice } from "../../parts/Choice";
import { Problem } from "../../parts/Problem";
import { Scroll } from "../../parts/Scroll";

interface Props {
  id: string;
  /** Whether there is a model to evaluate. */
  ready: boolean;
  finished: boolean;
  /** The epoch of the best model; another one is evaluated anew. */
  epoch: number;
  /** The parts of the data that can be asked for. */
  parts?: string[] | undefined;
}

const PARTS = ["validation", "test", "train"];

export function EvaluationPanel({ id, ready, finished, epoch, parts = PARTS }: Props) {
  /** The part asked for; until one is, the server takes the first that has rows. */
  const [split, setSplit] = useState<string | null>(null);
  const [found, setFound] = useState<{ split: Json; rows: Json; tasks: Task[] } | null>(null);
  const [absent, setAbsent] = useState<string | null>(null);
  // A running job is evaluated when it is done: an evaluation costs a pass over the rows.
  const { error } = useLive(
    async (signal) => {
      if (!ready || !finished) return false;
      try {
        const part = split ? `?split=${split}` : "";
        const answer = await get<JsonObject>(`/v1/jobs/${id}/evaluation${part}`, signal);
        setFound({ split: answer.split ?? null, rows: answer.rows ?? null, tasks: tasks(answer) });
        setAbsent(null);
      } catch (caught) {
        if (!(caught instanceof ApiError) || ![404, 409, 422].includes(caught.status)) throw caught;
        setFound(null);
        setAbsent(caught.problem.errors?.[0]?.detail ?? caught.message);
      }
      return false;
    },
    [id, ready, finished, split, epoch],
  );
  return (
    <section class="panel evaluation" aria-labelledby="evaluation-title">
      <div class="panel-head">
        <h2 id="evaluation-title">Evaluation</h2>
        {typeof found?.rows === "number" ? <span class="muted">{count(found.rows)} rows</span> : null}
        <span class="spring" />
        <Choice
          name="split"
          legend="Part of the data"
          value={split ?? String(found?.split ?? "")}
          values={parts}
          onChange={(part) => setSplit(part === "out_of_fold" ? null : part)}
        />
      </div>
      <Problem error={error} />
      {!finished ? <p class="muted small">The best model is evaluated when the job has finished.</p> : null}
      {finished && !ready ? <p class="muted small">There is no model to evaluate.</p> : null}
      {absent ? <p class="muted small">{absent}</p> : null}
      {found?.tasks.map((task) => (
        <OneTask key={task.name} task={task} />
      ))}
    </section>
  );
}

function OneTask({ task }: { task: Task }) {
  return (
    <div class="task">
      <h3>{task.name}</h3>
      <dl class="values">
        {task.numbers.map(([name, value]) => (
          <div key={name}>
            <dt>{words(name)}</dt>
            <dd>{/accuracy|precision|recall|f1/.test(name) ? percent(value) : number(value)}</dd>
          </div>
        ))}
      </dl>
      {task.confusion ? <Confusion {...task.confusion} /> : null}
    </div>
  );
}

/** Rows are what the file says, columns what the model says; the shade is the share of the row. */
function Confusion({ classes, matrix }: { classes: string[]; matrix: number[][] }) {
  const columns = classes.map((name, j) => ({ name, total: matrix.reduce((sum, row) => sum + (row[j] ?? 0), 0) }));
  return (
    <Scroll label="Confusion matrix">
      <table class="confusion">
        <caption>Rows: what the data say. Columns: what the model says.</caption>
        <thead>
          <tr>
            <td />
            {columns.map(({ name }) => (
              <th key={name} scope="col" title={name}>
                {name}
              </th>
            ))}
            <th scope="col" class="muted">
              recall
            </th>
          </tr>
        </thead>
        <tbody>
          {matrix.map((row, i) => {
            const total = row.reduce((a, b) => a + b, 0);
            const name = classes[i] ?? String(i);
            return (
              <tr key={name}>
                <th scope="row" title={name}>
                  {name}
                </th>
                {row.map((n, j) => (
                  <td
                    key={columns[j]?.name ?? j}
                    class={i === j ? "hit" : n > 0 ? "miss" : "none"}
                    style={{ "--share": total ? n / total : 0 }}
                  >
                    {count(n)}
                  </td>
                ))}
                <td class="muted">{total ? percent((row[i] ?? 0) / total) : "–"}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
  );
}
