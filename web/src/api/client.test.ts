import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError, get, keepKey, key, keyWanted, list, request, tablePages, Unreachable } from "./client";

const calls: { path: string; headers: Headers }[] = [];

function answers(...responses: (() => Response | Promise<Response>)[]) {
  calls.length = 0;
  vi.stubGlobal("fetch", (path: string, init: RequestInit) => {
    calls.push({ path, headers: new Headers(init.headers) });
    const next = responses.shift();
    if (!next) throw new Error("one question too many");
    return Promise.resolve().then(next);
  });
}

const json = (body: unknown, init: ResponseInit = {}) => new Response(JSON.stringify(body), init);

beforeEach(() => keepKey(""));
afterEach(() => vi.unstubAllGlobals());

describe("the key", () => {
  it("is asked for on 401, sent as a header, and asked for again when it is refused", async () => {
    const refuse = () => json({ title: "Unauthorized" }, { status: 401 });
    answers(refuse, refuse, () => json({ ok: 1 }));
    await expect(request("/v1/jobs")).rejects.toBeInstanceOf(ApiError);
    expect(keyWanted.value).toBe("missing");
    expect(calls[0]?.headers.get("Authorization")).toBeNull();
    keepKey("wrong");
    expect(keyWanted.value).toBeNull();
    await expect(request("/v1/jobs")).rejects.toBeInstanceOf(ApiError);
    expect(keyWanted.value).toBe("refused");
    keepKey("right");
    await request("/v1/jobs");
    expect(calls[2]?.headers.get("Authorization")).toBe("Bearer right");
    expect(sessionStorage.getItem("trainyard.key")).toBe("right");
    keepKey("");
    expect(sessionStorage.getItem("trainyard.key")).toBeNull();
    expect(key.value).toBe("");
  });
});

describe("polling", () => {
  it("sends the tag back and gives the same object while nothing changes", async () => {
    answers(
      () => json({ n: 1 }, { headers: { ETag: 'W/"a"' } }),
      () => new Response(null, { status: 304 }),
      () => json({ n: 2 }, { headers: { ETag: 'W/"b"' } }),
    );
    const first = await get("/v1/jobs/1");
    const second = await get("/v1/jobs/1");
    expect(second).toBe(first);
    expect(calls[1]?.headers.get("If-None-Match")).toBe('W/"a"');
    expect(await get("/v1/jobs/1")).toEqual({ n: 2 });
  });

  it("forgets what it knew when the key changes", async () => {
    answers(
      () => json({ n: 1 }, { headers: { ETag: 'W/"a"' } }),
      () => json({ n: 1 }),
    );
    await get("/v1/server");
    keepKey("other");
    await get("/v1/server");
    expect(calls[1]?.headers.get("If-None-Match")).toBeNull();
  });
});

describe("errors", () => {
  it("carry the problem document", async () => {
    answers(() => json({ title: "Invalid job spec", detail: "two faults", errors: [] }, { status: 422 }));
    await expect(get("/v1/jobs")).rejects.toMatchObject({ status: 422, message: "two faults" });
  });

  it("are understood when a proxy answers in HTML or nobody answers", async () => {
    answers(
      () => new Response("<html>", { status: 502, statusText: "Bad Gateway" }),
      () => Promise.reject(new TypeError("failed to fetch")),
    );
    await expect(get("/v1/jobs")).rejects.toMatchObject({ status: 502, message: "502 Bad Gateway" });
    await expect(get("/v1/jobs")).rejects.toBeInstanceOf(Unreachable);
  });
});

describe("lists", () => {
  it("are read page by page", async () => {
    answers(
      () => json({ data: [1, 2], has_more: true, next_cursor: "x&y" }),
      () => json({ data: [3], has_more: false, next_cursor: null }),
    );
    expect(await list("/v1/datasets", 500)).toEqual([1, 2, 3]);
    expect(calls[1]?.path).toContain("after=x%26y");
  });
});

describe("a table that comes in pages", () => {
  it("has one header and every row", async () => {
    const more = { headers: { Link: '</v1/jobs/1/metrics?after=e2&format=csv>; rel="next"' } };
    answers(
      () => new Response("epoch,loss\n0,1\n1,0.5\n", more),
      () => new Response("epoch,loss\n2,0.4\n", more),
      () => new Response("epoch,loss\n", more),
    );
    expect((await tablePages("/v1/jobs/1/metrics?format=csv")).join("")).toBe("epoch,loss\n0,1\n1,0.5\n2,0.4\n");
    expect(calls[1]?.path).toBe("/v1/jobs/1/metrics?after=e2&format=csv");
  });
});
