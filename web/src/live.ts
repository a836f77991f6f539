// How the page stays current: polling at the viewer's pace, never while nobody looks, never while a key is missing.

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, key, keyWanted } from "./api/client";

const STORED = "trainyard.pace";

/** The viewer's choices, milliseconds between two questions; 0 asks only when told to. */
export const PACES = [250, 500, 1000, 2000, 5000, 15_000, 0] as const;

export const pace = signal<number>(read());

function read(): number {
  try {
    const stored = Number(localStorage.getItem(STORED) ?? "1000");
    return PACES.some((p) => p === stored) ? stored : 1000;
  } catch {
    return 1000;
  }
}

export function setPace(value: number): void {
  pace.value = value;
  try {
    localStorage.setItem(STORED, String(value));
  } catch {
    // storage may be forbidden; the choice then lives as long as the page
  }
}

export interface Live {
  /** What went wrong last, until something goes right. */
  error: Error | null;
  /** Asks again now. */
  poke: () => void;
}

/**
 * Runs `ask` now and again at the viewer's pace while it answers `true` ("there may be more"). A failure is shown and
 * tried again, ever more slowly; what does not exist is not asked for again.
 */
export function useLive(ask: (signal: AbortSignal) => Promise<boolean>, deps: unknown[]): Live {
  const [error, setError] = useState<Error | null>(null);
  const poke = useRef<() => void>(() => {});
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let busy = false;
    let again = true;
    let failures = 0;
    const run = async () => {
      clearTimeout(timer);
      if (busy || stop.signal.aborted || document.hidden || keyWanted.peek() !== null) return;
      busy = true;
      try {
        again = await ask(stop.signal);
        failures = 0;
        setError(null);
      } catch (caught) {
        if (stop.signal.aborted) return;
        failures += 1;
        again = !(caught instanceof ApiError && [400, 404, 422].includes(caught.status));
        setError(caught instanceof Error ? caught : new Error(String(caught)));
      } finally {
        busy = false;
      }
      plan();
    };
    const plan = () => {
      clearTimeout(timer);
      const wait = failures ? Math.min(500 * 2 ** failures, 10_000) : pace.peek();
      if (again && wait > 0) timer = setTimeout(run, wait);
    };
    poke.current = () => {
      again = true;
      run();
    };
    const wake = () => {
      if (!document.hidden && again) run();
    };
    document.addEventListener("visibilitychange", wake);
    // `subscribe` calls at once; only later changes are news.
    let first = true;
    const forget = [
      keyWanted.subscribe((wanted) => {
        if (!first && wanted === null) poke.current();
      }),
      pace.subscribe(() => {
        if (!first) plan();
      }),
    ];
    first = false;
    run();
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", wake);
      for (const end of forget) end();
    };
  }, [...deps, key.value]);
  return { error, poke: () => poke.current() };
}

/** A clock that ticks once a second while somebody looks, for "3 s ago". */
export function useNow(): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) setNow(Date.now());
    }, 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}
