// What limits this run, in plain words, and the change that one click starts.

import { useRef, useState } from "preact/hooks";
import { useLocation } from "preact-iso";
import { get, post } from "../../api/client";
import type { Job, JsonObject } from "../../api/types";
import { useLive } from "../../live";
import { number, words } from "../../logic/format";
import { Problem } from "../../parts/Problem";

interface Finding {
  code: string;
  severity: "info" | "warn" | "error";
  message: string;
  evidence: Record<string, number | null>;
  advice: string;
  patch: JsonObject | null;
  source: string;
}

/** Between two questions about a running job: the rules look at all of its curves. */
const PAUSE_MS = 3000;

export function Diagnosis({ id, finished }: { id: string; finished: boolean }) {
  const [findings, setFindings] = useState<Finding[] | null>(null);
  const asked = useRef(0);
  const { error } = useLive(
    async (signal) => {
      if (!finished && Date.now() - asked.current < PAUSE_MS) return true;
      asked.current = Date.now();
      setFindings((await get<{ data: Finding[] }>(`/v1/jobs/${id}/diagnosis`, signal)).data);
      return !finished;
    },
    [id, finished],
  );
  if (!findings?.length && !error && !finished) return null;
  return (
    <section class="panel" aria-labelledby="diagnosis-title">
      <div class="panel-head">
        <h2 id="diagnosis-title">What limits it</h2>
      </div>
      <Problem error={error} />
      {findings?.length === 0 ? <p class="muted small">Nothing stands out: the curves look as they should.</p> : null}
      {(findings ?? []).map((finding) => (
        <OneFinding key={finding.code} id={id} finding={finding} />
      ))}
    </section>
  );
}

const LOOKS = {
  error: { className: "status-failed", mark: "✕" },
  warn: { className: "status-paused", mark: "!" },
  info: { className: "status-queued", mark: "i" },
};

function OneFinding({ id, finding }: { id: string; finding: Finding }) {
  const { route } = useLocation();
  const [failed, setFailed] = useState<Error | null>(null);
  const { className, mark } = LOOKS[finding.severity];
  const start = async () => {
    try {
      const made = await post<Job>(`/v1/jobs/${id}/fork?finding=${finding.code}`, finding.patch);
      route(`/jobs/${made.id}`);
    } catch (error) {
      setFailed(error as Error);
    }
  };
  return (
    <div class="check">
      <div class="panel-head">
        <h3>{words(finding.code)}</h3>
        <span class={`status ${className}`}>
          <span class="mark" aria-hidden="true">
            {mark}
          </span>
          {finding.severity}
        </span>
      </div>
      <p>{finding.message}</p>
      <p>{finding.advice}</p>
      {finding.patch ? (
        <div class="actions">
          <button type="button" onClick={start}>
            Try this change
          </button>
          <Problem error={failed} title="The changed job was not started" />
        </div>
      ) : null}
      <details>
        <summary class="small">The numbers and the source</summary>
        <ul class="small plain">
          {Object.entries(finding.evidence).map(([name, value]) => (
            <li key={name}>
              {words(name)} <b>{number(value)}</b>
            </li>
          ))}
          <li class="muted">Rule from: {finding.source}</li>
          {finding.patch ? (
            <li>
              <code>{JSON.stringify(finding.patch)}</code>
            </li>
          ) : null}
        </ul>
      </details>
    </div>
  );
}
