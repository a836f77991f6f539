// From the fields of the "new job" form to the body that is sent. The form stays small on purpose: whatever it does not
// offer goes into the JSON, which is merged over it.

import type { Json, JsonObject } from "../api/types";

export interface Form {
  dataset: string;
  target: string;
  name: string;
  /** "64, 32"; empty for the server's default. */
  hidden: string;
  epochs: string;
  optimizer: string;
  learningRate: string;
  /** A JSON object, or nothing. */
  more: string;
}

export type Outcome = { ok: true; body: JsonObject } | { ok: false; field: keyof Form; message: string };

/** `usual` is the optimizer that the server takes when none is named; a learning rate alone is meant for it. */
export function body(form: Form, usual = "adam"): Outcome {
  const spec: JsonObject = {};
  if (form.name.trim()) spec.name = form.name.trim();
  if (form.dataset) spec.dataset = form.dataset;
  if (form.target) spec.target = form.target;
  if (form.hidden.trim()) {
    const layers = form.hidden.split(/[\s,;]+/).filter(Boolean);
    const units = layers.map(Number);
    if (units.some((n) => !Number.isInteger(n) || n < 1)) {
      return { ok: false, field: "hidden", message: "Write whole numbers, like 64, 32." };
    }
    spec.hidden_layers = units;
  }
  if (form.epochs.trim()) {
    const epochs = Number(form.epochs);
    if (!Number.isInteger(epochs)) return { ok: false, field: "epochs", message: "Write a whole number." };
    spec.epochs = epochs;
  }
  const rate = form.learningRate.trim();
  if (rate && !Number.isFinite(Number(rate))) {
    return { ok: false, field: "learningRate", message: "Write a number, like 0.01." };
  }
  if (form.optimizer || rate) {
    spec.optimizer = { type: form.optimizer || usual, ...(rate ? { learning_rate: Number(rate) } : {}) };
  }
  if (form.more.trim()) {
    const more = parseObject(form.more);
    if (typeof more === "string") return { ok: false, field: "more", message: more };
    for (const [name, value] of Object.entries(more)) spec[name] = value;
    // Exactly one of both may be sent; the JSON is the more deliberate one.
    if ("targets" in more && !("target" in more)) delete spec.target;
  }
  return { ok: true, body: spec };
}

/** A JSON object, or a sentence that says why it is none. */
export function parseObject(text: string): JsonObject | string {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    return `This is not JSON: ${(error as Error).message}`;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "Write an object: { … }.";
  return value;
}

/** The same request for a terminal. Single quotes are closed, escaped and opened again, as a POSIX shell wants it. */
export function curl(origin: string, spec: JsonObject, withKey: boolean): string {
  const quoted = `'${JSON.stringify(spec).replaceAll("'", "'\\''")}'`;
  return `curl ${withKey ? '-H "Authorization: Bearer $TRAINYARD_API_KEY" ' : ""}--json ${quoted} ${origin}/v1/jobs`;
}
