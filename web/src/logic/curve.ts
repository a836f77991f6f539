// The metrics of one job as they arrive: pieces of columns, joined by their place (epoch or step). No network, no drawing.

import type { Metrics } from "../api/types";

/** A value; `null` where it was not finite (the line breaks), `undefined` where none was recorded (the line goes on). */
export type Value = number | null | undefined;

const NOT_CURVES = new Set(["time", "step", "epoch", "train_seconds"]);

export class Curve {
  readonly by: "epoch" | "step";
  /** Places in ascending order. */
  readonly x: number[] = [];
  readonly columns = new Map<string, Value[]>();
  cursor: string | null = null;
  complete = false;
  /** Grows with every change, for those who draw. */
  version = 0;

  constructor(by: "epoch" | "step") {
    this.by = by;
  }

  /** Joins an answer. A point whose place is known replaces the one before. */
  append(answer: Metrics): void {
    this.cursor = answer.next_cursor;
    this.complete = answer.complete && !answer.has_more;
    const places = answer.columns[this.by] ?? [];
    if (places.length === 0) return;
    const names = Object.keys(answer.columns).filter((name) => !NOT_CURVES.has(name));
    for (const name of names) {
      if (!this.columns.has(name)) this.columns.set(name, new Array(this.x.length).fill(undefined));
    }
    const broken = nonfinite(answer);
    places.forEach((place, index) => {
      if (place === null) return;
      const at = this.#place(place);
      for (const name of names) {
        const value = answer.columns[name]?.[index];
        const column = this.columns.get(name);
        if (!column) continue;
        if (typeof value === "number") column[at] = value;
        else if (broken.has(`${name} ${index}`)) column[at] = null;
      }
    });
    this.version += 1;
  }

  /** Replaces everything, for answers that were thinned as a whole. */
  replace(answer: Metrics): void {
    this.x.length = 0;
    this.columns.clear();
    this.append(answer);
    this.version += 1;
  }

  /** Where `place` stands, made if it is new; nearly always the end. */
  #place(place: number): number {
    let at = this.x.length;
    while (at > 0 && (this.x[at - 1] as number) > place) at -= 1;
    if (at > 0 && this.x[at - 1] === place) return at - 1;
    this.x.splice(at, 0, place);
    for (const column of this.columns.values()) column.splice(at, 0, undefined);
    return at;
  }
}

/** Which values of an answer were not finite, as "name index". */
function nonfinite(answer: Metrics): Set<string> {
  return new Set(answer.nonfinite?.map(({ name, index }) => `${name} ${index}`));
}

export interface Group {
  /** What the curves have in common: `loss`, `accuracy`, `learning_rate`, `loss/pos`. */
  name: string;
  /** Its columns, the training part first. */
  columns: string[];
}

const PARTS = ["", "train_eval_", "val_", "test_"];
const ORDER = ["loss", "accuracy", "objective", "penalty", "learning_rate", "gradient_norm"];

/** Sorts columns into groups that share an axis: `loss` with `val_loss` and `test_loss`. */
export function groups(columns: Iterable<string>): Group[] {
  const found = new Map<string, string[]>();
  for (const column of columns) {
    const part = PARTS.findLast((prefix) => column.startsWith(prefix)) ?? "";
    const name = column.slice(part.length);
    found.set(name, [...(found.get(name) ?? []), column]);
  }
  const rank = (name: string) => {
    const at = ORDER.indexOf(name.split("/")[0] ?? name);
    return (at < 0 ? ORDER.length : at) + (name.includes("/") ? 0.5 : 0);
  };
  const part = (column: string) => PARTS.findLastIndex((prefix) => column.startsWith(prefix));
  return [...found]
    .map(([name, members]) => ({ name, columns: members.sort((a, b) => part(a) - part(b)) }))
    .sort((a, b) => rank(a.name) - rank(b.name) || a.name.localeCompare(b.name));
}
