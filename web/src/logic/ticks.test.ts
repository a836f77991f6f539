import { describe, expect, it } from "vitest";
import { linearTicks, logTicks, range } from "./ticks";

describe("ticks", () => {
  it("are round numbers inside the range", () => {
    expect(linearTicks(0, 200, 5)).toEqual([0, 50, 100, 150, 200]);
    expect(linearTicks(-0.3, 0.31, 3)).toEqual([-0.2, 0, 0.2]);
    expect(logTicks(1e-4, 10, 6)).toEqual([1e-4, 1e-3, 1e-2, 0.1, 1, 10]);
  });

  it("are there on a log axis over less than a decade", () => {
    expect(logTicks(0.31, 0.33, 5).length).toBeGreaterThanOrEqual(3);
  });

  it("stay few over any range", () => {
    for (const [low, high] of [
      [1e-300, 1e300],
      [1e-12, 1],
      [5, 5.0001],
    ] as const) {
      const ticks = logTicks(low, high, 6);
      expect(ticks.length).toBeGreaterThan(1);
      expect(ticks.length).toBeLessThan(15);
    }
    expect(linearTicks(1, 1, 5)).toEqual([]);
    expect(linearTicks(Number.NaN, 1, 5)).toEqual([]);
  });
});

describe("the range to draw", () => {
  it("stands on zero when the values come near it", () => {
    expect(range(0.01, 1, false)[0]).toBe(0);
    expect(range(0.9, 1, false)[0]).toBeGreaterThan(0.8);
  });

  it("has a width for a single value and for none", () => {
    for (const log of [false, true]) {
      for (const value of [0.5, 0, null]) {
        const [low, high] = range(value, value, log);
        expect(high).toBeGreaterThan(low);
        if (log) expect(low).toBeGreaterThan(0);
      }
    }
  });
});
