// An evaluation as the page shows it: numbers first, then the confusion matrix; whatever numbers the server gives.

import type { Json, JsonObject } from "../api/types";

export interface Task {
  name: string;
  numbers: [string, number | null][];
  confusion: { classes: string[]; matrix: number[][] } | null;
}

const FIRST = ["accuracy", "loss", "mae", "rmse", "r2"];
const NOT_SHOWN = new Set(["rows"]);

export function tasks(answer: JsonObject): Task[] {
  const targets = answer.targets;
  if (!isObject(targets)) return [];
  return Object.entries(targets)
    .filter((entry): entry is [string, JsonObject] => isObject(entry[1]))
    .map(([name, target]) => ({ name, numbers: numbers(target), confusion: confusion(target) }));
}

function numbers(target: JsonObject): [string, number | null][] {
  const rank = (name: string) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  return Object.entries(target)
    .filter((entry): entry is [string, number] => typeof entry[1] === "number" && !NOT_SHOWN.has(entry[0]))
    .sort(([a], [b]) => rank(a) - rank(b));
}

function confusion(target: JsonObject): Task["confusion"] {
  const found = target.confusion_matrix;
  if (!isObject(found) || !Array.isArray(found.matrix) || !Array.isArray(found.classes)) return null;
  return {
    classes: found.classes.map(String),
    matrix: found.matrix.map((row) => (Array.isArray(row) ? row.map(Number) : [])),
  };
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
