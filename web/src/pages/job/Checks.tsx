// What was proved about this very network before and during training: the verdict of each check, its advice, its numbers.

import { useState } from "preact/hooks";
import { get } from "../../api/client";
import type { Page } from "../../api/types";
import { useLive } from "../../live";
import { count, number, words } from "../../logic/format";
import { Picture } from "../../parts/Picture";
import { Problem } from "../../parts/Problem";
import { Scroll } from "../../parts/Scroll";
import { Verdict } from "../../parts/Verdict";

interface Report {
  id: string;
  kind: string;
  verdict: string;
  advice?: string;
  /** Where it is drawn. */
  picture?: string;
  /** Of the data. */
  findings?: { code: string; verdict: string; message: string }[];
  /** Of a gradient check. */
  tensors?: { name: string; checked: number; kinks?: number; max_relative: number | null; verdict: string }[];
  /** Of the first loss: what was seen, what chance gives, from where on it fails. */
  tasks?: { name: string; seen: number | null; chance: number; limit: number; verdict: string }[];
}

export function Checks({ id, finished }: { id: string; finished: boolean }) {
  const [reports, setReports] = useState<Report[]>([]);
  const { error } = useLive(
    async (signal) => {
      const found = (await get<Page<Report>>(`/v1/jobs/${id}/checks?limit=100`, signal)).data;
      // The newest of each kind; the list begins with the newest.
      setReports(found.filter((one, at) => found.findIndex((other) => other.kind === one.kind) === at));
      return !finished;
    },
    [id, finished],
  );
  if (finished && reports.length === 0 && !error) return null;
  return (
    <section class="panel" aria-labelledby="checks-title">
      <div class="panel-head">
        <h2 id="checks-title">Checks</h2>
      </div>
      <Problem error={error} />
      {reports.length === 0 ? <p class="muted small">No report yet.</p> : null}
      {reports.map((report) => (
        <OneCheck key={report.id} report={report} />
      ))}
    </section>
  );
}

function OneCheck({ report }: { report: Report }) {
  const name = words(report.kind);
  return (
    <div class="check">
      <div class="panel-head">
        <h3>{name}</h3>
        <Verdict verdict={report.verdict} />
      </div>
      {report.advice ? <p class="small muted">{report.advice}</p> : null}
      {report.findings?.length ? <DataFindings findings={report.findings} /> : null}
      {report.tasks?.length ? <FirstLoss tasks={report.tasks} /> : null}
      {report.tensors?.length ? (
        <details>
          <summary class="small">{count(report.tensors.length)} tensors</summary>
          <Tensors tensors={report.tensors} />
        </details>
      ) : null}
      {report.picture ? <Drawn path={report.picture} name={name} /> : null}
    </div>
  );
}

/** Fetched when it is opened. */
function Drawn({ path, name }: { path: string; name: string }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary class="small">Picture</summary>
      {open ? <Picture path={path} label={`${name} check`} /> : null}
    </details>
  );
}

function DataFindings({ findings }: { findings: NonNullable<Report["findings"]> }) {
  return (
    <ul class="small plain">
      {findings.map((finding) => (
        <li key={finding.code}>
          <b>{words(finding.code)}</b> {finding.message}
        </li>
      ))}
    </ul>
  );
}

function FirstLoss({ tasks }: { tasks: NonNullable<Report["tasks"]> }) {
  return (
    <ul class="small plain">
      {tasks.map((task) => (
        <li key={task.name}>
          <code>{task.name}</code> seen <b>{number(task.seen)}</b>, chance gives {number(task.chance)}, fails above{" "}
          {number(task.limit)}
        </li>
      ))}
    </ul>
  );
}

function Tensors({ tensors }: { tensors: NonNullable<Report["tensors"]> }) {
  return (
    <Scroll label="Gradient check by tensor">
      <table class="list compact">
        <thead>
          <tr>
            <th scope="col">Tensor</th>
            <th scope="col" class="num">
              Checked
            </th>
            <th scope="col" class="num">
              Kinks
            </th>
            <th scope="col" class="num">
              Worst relative difference
            </th>
            <th scope="col">Verdict</th>
          </tr>
        </thead>
        <tbody>
          {tensors.map((tensor) => (
            <tr key={tensor.name}>
              <th scope="row">
                <code>{tensor.name}</code>
              </th>
              <td class="num">{count(tensor.checked)}</td>
              <td class="num">{count(tensor.kinks ?? 0)}</td>
              <td class="num">{number(tensor.max_relative, 3)}</td>
              <td>
                <Verdict verdict={tensor.verdict} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
