// The part of the HTTP contract that the dashboard reads. Fields it does not show are left out; fields an older or newer
// server may leave out are optional.

export type Status = "queued" | "running" | "pausing" | "paused" | "cancelling" | "succeeded" | "failed" | "cancelled";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export interface Page<T> {
  data: T[];
  has_more: boolean;
  next_cursor: string | null;
}

export interface Fault {
  pointer: string;
  detail: string;
}

export interface Problem {
  type?: string;
  code?: string;
  title?: string;
  status?: number;
  detail?: string;
  request_id?: string;
  errors?: Fault[];
}

export interface Progress {
  epoch: number;
  epochs: number;
  step: number;
  steps: number;
  fraction: number;
  samples_per_second: number | null;
  eta_seconds: number | null;
  patience_left: number | null;
}

export interface Job {
  id: string;
  name: string | null;
  status: Status;
  attempt: number;
  tags?: Record<string, string>;
  dataset: { id: string; name: string | null };
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  train_seconds: number | null;
  queue_position: number | null;
  queue_reason: string | null;
  progress: Progress | null;
  best: { epoch: number; metric: string; value: number | null } | null;
  last: Record<string, number | null> | null;
  stop_reason: string | null;
  error: Problem | null;
  parameters: number | null;
  memory_bytes: number | null;
  parent?: { job?: string; relation: string; finding?: string | null } | null;
  /** Of a cross-validation alone. */
  folds?: FoldsSummary;
  warnings?: Fault[];
  request?: JsonObject;
  spec?: JsonObject;
}

export interface FoldsSummary {
  count: number;
  succeeded: number;
  metrics?: Record<string, { mean: number | null; sd: number | null }>;
  jobs: { fold: number; job: string; status: Status; epoch: number | null; metrics: Record<string, number> | null }[];
}

export interface Metrics {
  by: "epoch" | "step";
  columns: Record<string, (number | null)[]>;
  next_cursor: string;
  complete: boolean;
  has_more?: boolean;
  downsampled?: boolean;
  nonfinite?: { name: string; index: number; value: string }[];
}

export interface JobEvent {
  id: number;
  created_at: string;
  level: "info" | "warn" | "error";
  type: string;
  message: string;
  data?: Json;
}

export interface ColumnProfile {
  name: string;
  kind: string;
  missing: number;
  distinct: number;
  distinct_exact?: boolean;
  min?: number | null;
  max?: number | null;
  earliest?: string;
  latest?: string;
  mean?: number | null;
  std?: number | null;
  quantiles?: Record<string, number | null>;
  histogram?: { edges: number[]; counts: number[] } | null;
  top?: [string | number | boolean, number][];
}

export interface DataWarning {
  column?: string | null;
  code: string;
  detail: string;
}

export interface Dataset {
  id: string;
  name: string | null;
  format: string;
  bytes: number;
  sha256: string;
  rows: number;
  status: string;
  created_at: string;
  /** In lists; there the columns themselves are left out. */
  column_count?: number;
  columns?: ColumnProfile[];
  warnings?: DataWarning[];
}

/** A run of the whole strategy; lists leave its steps out. */
export interface AutotrainRun {
  id: string;
  name: string | null;
  status: Status;
  dataset: { id: string; name: string | null };
  created_at: string;
  finished_at: string | null;
  stop_reason: string | null;
  error: Problem | null;
  model: string | null;
  result: AutotrainResult | null;
  steps?: AutotrainStep[];
  request?: JsonObject;
  spec?: JsonObject;
}

export interface AutotrainResult {
  trial: string;
  validation: { loss: number | null; standard_error: number | null; accuracy: number | null };
  test: Record<string, number>;
  trainings: number;
  /** What is to be known before one believes in the choice. */
  findings?: AutotrainFinding[];
}

export interface AutotrainFinding {
  code: string;
  severity: "info" | "warn" | "error";
  message: string;
  advice: string;
}

export interface AutotrainStep {
  number: number;
  kind: string;
  stage: string | null;
  title: string;
  reason: string;
  jobs: string[];
  started_at: string;
  finished_at: string | null;
  conclusion: string | null;
  recipes: string[];
  outcome: {
    reports?: { check: string; verdict: string; advice: string }[];
    trials?: Trial[];
    job?: string;
    test?: Record<string, number>;
  } | null;
}

export interface Trial {
  job: string;
  status: string;
  losses: number[];
  train_loss: number | null;
  accuracy: number | null;
  epoch: number;
  parameters: number;
  seconds: number;
}
