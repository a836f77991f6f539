// A job's status as a word with a mark of its own shape: never by colour alone.

import type { Status as Name } from "../api/types";
import { words } from "../logic/format";

const MARK: Record<Name, string> = {
  queued: "◌",
  running: "▶",
  pausing: "◫",
  paused: "❙❙",
  cancelling: "◌",
  succeeded: "✓",
  failed: "✕",
  cancelled: "⊘",
};

export const FINISHED: readonly Name[] = ["succeeded", "failed", "cancelled"];

export function Status({ status, reason }: { status: Name; reason?: string | null }) {
  return (
    <span class={`status status-${status}`} data-status={status}>
      <span class="mark" aria-hidden="true">
        {MARK[status] ?? "?"}
      </span>
      {words(status)}
      {reason && reason !== "epochs_done" && reason !== status ? <span class="muted"> · {words(reason)}</span> : null}
    </span>
  );
}
