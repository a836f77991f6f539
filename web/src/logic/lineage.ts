// What a fork changed, in words.

import type { Json, Status } from "../api/types";

export interface Change {
  pointer: string;
  from: Json;
  to: Json;
}

/** One job of a family, as the server tells it. */
export interface Step {
  job: string;
  name: string | null;
  status: Status;
  depth: number;
  finding: string | null;
  message: string | null;
  changes: Change[];
  metric: string | null;
  before: number | null;
  after: number | null;
  improved: boolean | null;
}

/** `/optimizer/learning_rate` from 0.1 to 0.01 → `optimizer.learning_rate 0.1 → 0.01`. */
export function change({ pointer, from, to }: Change): string {
  return `${pointer.replace(/^\//, "").replaceAll("/", ".")} ${shown(from)} → ${shown(to)}`;
}

function shown(value: Json): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
