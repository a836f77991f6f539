// The verdict of the gradient check of this very network, tensor by tensor.

import { useState } from "preact/hooks";
import { ApiError, get } from "../../api/client";
import { useLive } from "../../live";
import { count, number, words } from "../../logic/format";
import { Problem } from "../../parts/Problem";
import { Scroll } from "../../parts/Scroll";

interface Report {
  verdict: string;
  tensors: { name: string; checked: number; kinks?: number; max_relative: number | null; verdict: string }[];
}

export function GradientCheck({ id, finished }: { id: string; finished: boolean }) {
  const [report, setReport] = useState<Report | null>(null);
  const [absent, setAbsent] = useState(false);
  const { error } = useLive(
    async (signal) => {
      try {
        setReport(await get<Report>(`/v1/jobs/${id}/gradient-check`, signal));
        setAbsent(false);
        return false;
      } catch (caught) {
        // Not asked for, or not done yet.
        if (!(caught instanceof ApiError) || ![404, 409].includes(caught.status)) throw caught;
        setAbsent(true);
        return !finished;
      }
    },
    [id, finished],
  );
  if (absent && finished && !report) return null;
  return (
    <section class="panel" aria-labelledby="gradient-title">
      <div class="panel-head">
        <h2 id="gradient-title">Gradient check</h2>
        <span class="spring" />
        {report ? <Verdict verdict={report.verdict} /> : null}
      </div>
      <Problem error={error} />
      {report ? (
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
              {report.tensors.map((tensor) => (
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
      ) : (
        <p class="muted small">No report yet.</p>
      )}
    </section>
  );
}

function Verdict({ verdict }: { verdict: string }) {
  const good = /^(pass|ok|passed)/.test(verdict);
  const bad = /^fail/.test(verdict);
  return (
    <span class={`status ${good ? "status-succeeded" : bad ? "status-failed" : "status-queued"}`}>
      <span class="mark" aria-hidden="true">
        {good ? "✓" : bad ? "✕" : "◌"}
      </span>
      {words(verdict)}
    </span>
  );
}
