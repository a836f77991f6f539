// What a run of the strategy says: its trials in their order, the best of them, and the request that starts one.

import type { AutotrainRun, AutotrainStep, JsonObject, Trial } from "../api/types";

/** A trial with what it tried, in words. */
export interface Tried {
  recipe: string;
  job: string | null;
  /** What came of it; `null` while it runs. */
  trial: Trial | null;
}

/** The trials of a step, those under way as well. */
export function tried(step: AutotrainStep): Tried[] {
  return step.recipes.map((recipe, at) => ({
    recipe,
    job: step.jobs[at] ?? null,
    trial: step.outcome?.trials?.[at] ?? null,
  }));
}

/** The mean validation loss over the folds; `null` where a trial came to none. */
export function meanLoss(trial: Trial | null): number | null {
  if (!trial || trial.losses.length === 0) return null;
  const mean = trial.losses.reduce((sum, loss) => sum + loss, 0) / trial.losses.length;
  return Number.isFinite(mean) ? mean : null;
}

/** The standard error of that mean; `null` for a single fold. */
export function standardError(trial: Trial | null): number | null {
  const mean = meanLoss(trial);
  if (mean === null || !trial || trial.losses.length < 2) return null;
  const squares = trial.losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0);
  return Math.sqrt(squares / (trial.losses.length - 1) / trial.losses.length);
}

/** The trial with the least validation loss, of equal ones the first: as the server chooses. */
export function bestTrial(run: AutotrainRun): Trial | null {
  let best: { trial: Trial; loss: number } | null = null;
  for (const step of run.steps ?? []) {
    for (const trial of step.outcome?.trials ?? []) {
      const loss = meanLoss(trial);
      if (loss !== null && (best === null || loss < best.loss)) best = { trial, loss };
    }
  }
  return best?.trial ?? null;
}

/** Trainings that were started: a cross-validation is one, the model is one. */
export function trainings(run: AutotrainRun): number {
  return (run.steps ?? []).reduce((sum, step) => sum + step.jobs.length, 0);
}

/** What bounds a run, in words. */
export function budget(spec: JsonObject | undefined): string {
  const bound = spec?.budget;
  if (!bound || typeof bound !== "object" || Array.isArray(bound)) return "";
  if (typeof bound.seconds === "number") return `${bound.seconds} s`;
  return typeof bound.jobs === "number" ? `of ${bound.jobs}` : "";
}

/** The body of a new run, or the sentence that says what is wrong with the form. */
export function start(form: {
  dataset: string;
  target: string;
  name: string;
  by: "jobs" | "seconds";
  amount: string;
}): JsonObject | string {
  const body: JsonObject = { dataset: form.dataset, target: form.target };
  if (form.name.trim()) body.name = form.name.trim();
  if (form.amount.trim()) {
    const amount = Number(form.amount);
    if (!Number.isFinite(amount) || amount <= 0) return "The budget is a number above 0";
    if (form.by === "jobs" && !Number.isInteger(amount)) return "Trainings are a whole number";
    body.budget = { [form.by]: amount };
  }
  return body;
}
