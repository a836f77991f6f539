import { render } from "preact";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError, keepKey, keyWanted } from "./api/client";
import { type Live, setPace, useLive } from "./live";

let place: HTMLElement;
let live: Live;

function mount(ask: () => Promise<boolean>) {
  function Page() {
    live = useLive(ask, []);
    return <p>{live.error?.message}</p>;
  }
  render(<Page />, place);
}

function look(hidden: boolean) {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}

beforeEach(() => {
  vi.useFakeTimers();
  place = document.createElement("div");
  setPace(1000);
  keepKey("");
  look(false);
});
afterEach(() => {
  render(null, place);
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe("a page that stays current", () => {
  it("asks at the viewer's pace until there is no more to come", async () => {
    let left = 3;
    const ask = vi.fn(async () => --left > 0);
    mount(ask);
    await pass(100);
    expect(ask).toHaveBeenCalledTimes(1);
    await pass(10_000);
    expect(ask).toHaveBeenCalledTimes(3);
  });

  it("follows a change of the pace, and rests when it is off", async () => {
    const ask = vi.fn(async () => true);
    mount(ask);
    await pass(100);
    setPace(0);
    await pass(60_000);
    expect(ask).toHaveBeenCalledTimes(1);
    setPace(250);
    await pass(1100);
    expect(ask.mock.calls.length).toBeGreaterThanOrEqual(4);
  });

  it("rests while nobody looks and while the key is missing, and asks at once afterwards", async () => {
    const ask = vi.fn(async () => true);
    mount(ask);
    await pass(100);
    look(true);
    await pass(60_000);
    const resting = ask.mock.calls.length;
    expect(resting).toBeLessThanOrEqual(1);
    look(false);
    await pass(10);
    expect(ask).toHaveBeenCalledTimes(resting + 1);
    keyWanted.value = "missing";
    await pass(60_000);
    expect(ask).toHaveBeenCalledTimes(resting + 1);
    keepKey("k");
    await pass(10);
    expect(ask.mock.calls.length).toBeGreaterThan(resting + 1);
  });

  it("tries ever more slowly while the server is away, and shows it until it is back", async () => {
    let away = true;
    const ask = vi.fn(async () => {
      if (away) throw new Error("away");
      return true;
    });
    mount(ask);
    await pass(60_000);
    const tries = ask.mock.calls.length;
    expect(tries).toBeGreaterThan(4);
    expect(tries).toBeLessThan(12);
    expect(place.textContent).toBe("away");
    away = false;
    await pass(10_000);
    expect(place.textContent).toBe("");
  });

  it("does not ask again for what is not there, unless told to", async () => {
    const ask = vi.fn(async () => {
      throw new ApiError(404, { title: "no such job" });
    });
    mount(ask);
    await pass(60_000);
    expect(ask).toHaveBeenCalledTimes(1);
    live.poke();
    await pass(10);
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it("ends with the page", async () => {
    const ask = vi.fn(async () => true);
    mount(ask);
    await pass(100);
    render(null, place);
    await pass(60_000);
    expect(ask).toHaveBeenCalledTimes(1);
  });
});
