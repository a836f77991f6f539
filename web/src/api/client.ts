// Every request of the dashboard goes through here: the key as a header, problem documents as errors, and a conditional
// GET for whatever is polled, so that an idle job costs the server a comparison of tags.

import { signal } from "@preact/signals";
import type { Page, Problem } from "./types";

const STORED = "trainyard.key";

/** The key, kept for this tab alone. */
export const key = signal<string>(read());
/** Why the page must ask for a key, or `null` when it need not. */
export const keyWanted = signal<null | "missing" | "refused">(null);

function read(): string {
  try {
    return sessionStorage.getItem(STORED) ?? "";
  } catch {
    return ""; // storage may be forbidden; the key then lives as long as the page
  }
}

export function keepKey(value: string): void {
  try {
    if (value) sessionStorage.setItem(STORED, value);
    else sessionStorage.removeItem(STORED);
  } catch {
    // see above
  }
  known.clear();
  key.value = value;
  keyWanted.value = null;
}

export class ApiError extends Error {
  readonly status: number;
  readonly problem: Problem;

  constructor(status: number, problem: Problem) {
    super(problem.detail ?? problem.title ?? `the server answered ${status}`);
    this.status = status;
    this.problem = problem;
  }
}

/** The server did not answer at all. */
export class Unreachable extends Error {
  constructor() {
    super("The server does not answer. It may be restarting; this page keeps trying.");
  }
}

export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  const sent = key.value;
  if (sent) headers.set("Authorization", `Bearer ${sent}`);
  if (!headers.has("Accept")) headers.set("Accept", "application/json");
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Unreachable();
  }
  if (response.status === 401 && sent === key.value) keyWanted.value = sent ? "refused" : "missing";
  if (!response.ok && response.status !== 304) throw new ApiError(response.status, await problem(response));
  return response;
}

async function problem(response: Response): Promise<Problem> {
  try {
    const body: unknown = await response.json();
    return typeof body === "object" && body !== null ? (body as Problem) : {};
  } catch {
    return { title: `${response.status} ${response.statusText}`.trim() };
  }
}

const known = new Map<string, { tag: string; body: unknown }>();
const KNOWN = 200;

/** Gets JSON. While the server says that nothing changed, the answer is the same object as before. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const before = known.get(path);
  const headers = new Headers();
  if (before) headers.set("If-None-Match", before.tag);
  const response = await request(path, { headers, ...(signal ? { signal } : {}) });
  if (response.status === 304 && before) return before.body as T;
  const body = (await response.json()) as T;
  const tag = response.headers.get("ETag");
  known.delete(path);
  if (tag) {
    if (known.size >= KNOWN) known.delete(known.keys().next().value ?? "");
    known.set(path, { tag, body });
  }
  return body;
}

export async function post<T>(path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const init: RequestInit = { method: "POST", ...(signal ? { signal } : {}) };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "Content-Type": "application/json" };
  }
  const response = await request(path, init);
  const text = await response.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

export async function remove(path: string): Promise<void> {
  await request(path, { method: "DELETE" });
}

/** All pages of a list, up to `most` items. */
export async function list<T>(path: string, most: number, signal?: AbortSignal): Promise<T[]> {
  const items: T[] = [];
  let after: string | null = null;
  do {
    const url = new URL(path, location.origin);
    url.searchParams.set("limit", String(Math.min(most - items.length, 200)));
    if (after) url.searchParams.set("after", after);
    const page: Page<T> = await get(url.pathname + url.search, signal);
    items.push(...page.data);
    after = page.has_more ? page.next_cursor : null;
  } while (after && items.length < most);
  return items;
}

/** Fetches a file with the key and hands it to the browser's downloads. */
export async function download(path: string, name: string): Promise<void> {
  const response = await request(path, { headers: { Accept: "*/*" } });
  save(await response.blob(), name);
}

/** Fetches all pages of a CSV, one header in front of them, and hands it to the browser's downloads. */
export async function downloadTable(path: string, name: string): Promise<void> {
  save(new Blob(await tablePages(path), { type: "text/csv" }), name);
}

/** The pages of a CSV in order; each but the first without its header. The list ends with the first page without rows. */
export async function tablePages(path: string): Promise<string[]> {
  const pages: string[] = [];
  let next: string | undefined = path;
  while (next) {
    const response: Response = await request(next, { headers: { Accept: "text/csv" } });
    const text = await response.text();
    const rows = text.slice(text.indexOf("\n") + 1);
    if (pages.length > 0 && rows.trim() === "") break;
    pages.push(pages.length === 0 ? text : rows);
    next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(response.headers.get("Link") ?? "")?.[1];
  }
  return pages;
}

function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The click only starts the download; the bytes must outlive it.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
