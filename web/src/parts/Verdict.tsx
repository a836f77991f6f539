// The verdict of a check as a word with a mark of its own shape.

import { words } from "../logic/format";

const LOOKS: Record<string, { className: string; mark: string }> = {
  passed: { className: "status-succeeded", mark: "✓" },
  failed: { className: "status-failed", mark: "✕" },
};

export function Verdict({ verdict }: { verdict: string }) {
  const { className, mark } = LOOKS[verdict] ?? { className: "status-queued", mark: "◌" };
  return (
    <span class={`status ${className}`}>
      <span class="mark" aria-hidden="true">
        {mark}
      </span>
      {words(verdict)}
    </span>
  );
}
