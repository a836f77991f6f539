// Where a job came from and what came of it: each fork with the finding that led to it, what it changed, and what became of the loss.

import { useState } from "preact/hooks";
import { get } from "../../api/client";
import { useLive } from "../../live";
import { number, words } from "../../logic/format";
import { change, type Step } from "../../logic/lineage";
import { Problem } from "../../parts/Problem";
import { Scroll } from "../../parts/Scroll";
import { Status } from "../../parts/Status";

export function Lineage({ id, finished }: { id: string; finished: boolean }) {
  const [steps, setSteps] = useState<Step[]>([]);
  const { error } = useLive(
    async (signal) => {
      const found = (await get<{ data: Step[] }>(`/v1/jobs/${id}/lineage`, signal)).data;
      setSteps(found);
      return !finished || found.some((step) => ["queued", "running"].includes(step.status));
    },
    [id, finished],
  );
  if (steps.length < 2) return <Problem error={error} />;
  return (
    <section class="panel" aria-labelledby="lineage-title">
      <div class="panel-head">
        <h2 id="lineage-title">Lineage</h2>
      </div>
      <Problem error={error} />
      <Scroll label="Lineage">
        <table class="list compact lineage">
          <thead>
            <tr>
              <th scope="col">Job</th>
              <th scope="col">Finding and change</th>
              <th scope="col">Before → after</th>
              <th scope="col">Status</th>
            </tr>
          </thead>
          <tbody>
            {steps.map((step) => (
              <OneStep key={step.job} step={step} own={step.job === id} />
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}

function OneStep({ step, own }: { step: Step; own: boolean }) {
  const name = step.name ?? step.job.slice(-8);
  return (
    <tr>
      <th scope="row" style={{ "--depth": Math.min(step.depth, 8) }}>
        {own ? <b>{name} (this job)</b> : <a href={`/jobs/${step.job}`}>{name}</a>}
      </th>
      <td title={step.message ?? ""}>
        {step.finding ? <b>{words(step.finding)}</b> : null}
        {step.changes.slice(0, 4).map((one) => (
          <div key={one.pointer} class="small">
            {change(one)}
          </div>
        ))}
        {step.changes.length > 4 ? <div class="small muted">and {step.changes.length - 4} more</div> : null}
        {step.depth === 0 ? <span class="muted">the first</span> : null}
      </td>
      <td>
        {step.metric ? (
          <>
            {words(step.metric)} {number(step.before, 3)} → <b>{number(step.after, 3)}</b>{" "}
            <span class={step.improved ? "better" : "muted"}>{step.improved ? "better" : "not better"}</span>
          </>
        ) : (
          <span class="muted">–</span>
        )}
      </td>
      <td>
        <Status status={step.status} />
      </td>
    </tr>
  );
}
