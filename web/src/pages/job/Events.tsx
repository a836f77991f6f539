// What happened, as it happens: the job's events as a stream with the key in a header, resumed where it broke off.

import { useEffect, useRef, useState } from "preact/hooks";
import { key, keyWanted, request } from "../../api/client";
import type { JobEvent } from "../../api/types";
import { clock } from "../../logic/format";
import { EventParser } from "../../logic/sse";

/** An epoch's event says no more than the curve does. */
const WANTED = ["status", "checkpoint", "check", "finding", "log"].map((type) => `type=${type}`).join("&");
/** Events kept in the page; older ones stay with the server. */
const KEPT = 500;

interface Props {
  id: string;
  finished: boolean;
  /** Called when the job's state may have changed. */
  onNews: () => void;
}

export function Events({ id, finished, onNews }: Props) {
  const [events, setEvents] = useState<JobEvent[]>([]);
  const [trouble, setTrouble] = useState<string | null>(null);
  const seen = useRef("");
  const box = useRef<HTMLOListElement>(null);
  const news = useRef(onNews);
  news.current = onNews;

  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let failures = 0;
    let ended = false;
    let running: AbortController | null = null;
    const open = async () => {
      clearTimeout(timer);
      if (running || ended || stop.signal.aborted || document.hidden || keyWanted.peek() !== null) return;
      running = new AbortController();
      try {
        ended = await follow(running.signal);
        failures = 0;
        setTrouble(null);
      } catch (error) {
        if (!stop.signal.aborted && !running.signal.aborted) {
          failures += 1;
          setTrouble((error as Error).message);
        }
      }
      running = null;
      if (!ended && !stop.signal.aborted) timer = setTimeout(open, Math.min(500 * 2 ** failures, 10_000));
    };
    const follow = async (signal: AbortSignal): Promise<boolean> => {
      const headers: Record<string, string> = { Accept: "text/event-stream" };
      if (seen.current) headers["Last-Event-ID"] = seen.current;
      const response = await request(`/v1/jobs/${id}/events?${WANTED}`, { headers, signal });
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new EventParser();
      while (reader) {
        const { value, done } = await reader.read();
        if (done) return false;
        const fresh: JobEvent[] = [];
        for (const message of parser.push(value)) {
          if (message.event === "end") {
            take(fresh);
            await reader.cancel();
            news.current();
            return true;
          }
          if (message.id) seen.current = message.id;
          const event = read(message.data);
          if (event) fresh.push(event);
        }
        take(fresh);
      }
      return false;
    };
    const take = (fresh: JobEvent[]) => {
      if (fresh.length === 0) return;
      if (fresh.some((event) => event.type === "status")) news.current();
      setEvents((before) => {
        const known = new Set(before.map((event) => event.id));
        return [...before, ...fresh.filter((event) => !known.has(event.id))].slice(-KEPT);
      });
    };
    const look = () => {
      if (document.hidden) running?.abort();
      else open();
    };
    document.addEventListener("visibilitychange", look);
    const forget = keyWanted.subscribe((wanted) => {
      if (wanted === null) open();
    });
    open();
    return () => {
      stop.abort();
      running?.abort();
      clearTimeout(timer);
      forget();
      document.removeEventListener("visibilitychange", look);
    };
  }, [id, key.value]);

  // The newest stay in sight unless the viewer has scrolled away from them.
  const pinned = useRef(true);
  useEffect(() => {
    const list = box.current;
    if (list && pinned.current) list.scrollTop = list.scrollHeight;
  }, [events.length]);

  return (
    <section class="panel events" aria-labelledby="events-title">
      <div class="panel-head">
        <h2 id="events-title">Events</h2>
        <span class="spring" />
        {trouble && !finished ? <span class="small muted">{trouble}</span> : null}
      </div>
      {events.length === 0 ? (
        <p class="muted small">Nothing yet.</p>
      ) : (
        <ol
          ref={box}
          class="log"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard
          tabIndex={0}
          aria-label="Events, oldest first"
          onScroll={(event) => {
            const list = event.currentTarget;
            pinned.current = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
          }}
        >
          {events.map((event) => (
            <li key={event.id} class={`level-${event.level}`}>
              <time dateTime={event.created_at}>{clock(event.created_at)}</time>
              <span class="type">{event.level === "info" ? event.type : `${event.type} ${event.level}`}</span>
              <span class="message">{event.message}</span>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

function read(data: string): JobEvent | null {
  try {
    return JSON.parse(data) as JobEvent;
  } catch {
    return null;
  }
}
