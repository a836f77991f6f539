// An error as the server explains it: the sentence, then each fault with its place.

import { ApiError } from "../api/client";
import type { Problem as Document, Fault } from "../api/types";

export function Problem({ error, title }: { error: Error | null; title?: string }) {
  if (!error) return null;
  const problem: Document = error instanceof ApiError ? error.problem : {};
  // A missing key has a dialog of its own.
  if (error instanceof ApiError && error.status === 401) return null;
  return (
    <div class="problem" role="alert">
      <ProblemText
        problem={{ ...problem, title: title ?? problem.title ?? "Something went wrong" }}
        detail={error.message}
      />
    </div>
  );
}

/** A page whose subject is not here yet, or never will be. */
export function Opening({ name, error }: { name: string; error: Error | null }) {
  return (
    <>
      <h1>{name}</h1>
      {error ? <Problem error={error} /> : <p class="muted">Loading…</p>}
    </>
  );
}

export function ProblemText({ problem, detail }: { problem: Document; detail?: string }) {
  const said = problem.detail ?? detail;
  return (
    <>
      <strong>{problem.title ?? "Problem"}</strong>
      {said && said !== problem.title ? <p>{said}</p> : null}
      {problem.errors?.length ? (
        <ul>
          {problem.errors.map((fault) => (
            <li key={fault.pointer + fault.detail}>
              <code>{fault.pointer || "/"}</code> {fault.detail}
            </li>
          ))}
        </ul>
      ) : null}
      {problem.request_id ? <p class="small muted">request {problem.request_id}</p> : null}
    </>
  );
}

/** What works but perhaps not as one expects. */
export function Warnings({ warnings }: { warnings: Fault[] }) {
  return (
    <ul>
      {warnings.map((warning) => (
        <li key={`${warning.pointer} ${warning.detail}`}>
          {warning.pointer ? <code>{warning.pointer}</code> : null} {warning.detail}
        </li>
      ))}
    </ul>
  );
}
