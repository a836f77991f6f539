import { describe, expect, it } from "vitest";
import { ago, bytes, clock, compact, count, duration, number, percent } from "./format";

describe("numbers", () => {
  it("are short and keep their meaning", () => {
    expect([0, 0.31234, 1234.56, 12345.6, 2.5e-5, -0.5, 3, 1e12, 9.99996].map((v) => number(v))).toEqual([
      "0",
      "0.3123",
      "1235",
      "12\u202f346",
      "2.5e-5",
      "-0.5",
      "3",
      "1e12",
      "10",
    ]);
  });

  it("are a dash when there are none", () => {
    expect([null, undefined, Number.NaN, Number.POSITIVE_INFINITY].map((v) => number(v))).toEqual(["–", "–", "–", "–"]);
  });

  it("group thousands", () => {
    expect(count(1234567)).toBe("1\u202f234\u202f567");
    expect(count(-1234)).toBe("-1\u202f234");
  });

  it("have letters for thousands where room is short", () => {
    expect([812, 812_345, 2_400_000, 3e9].map(compact)).toEqual(["812", "812 k", "2.4 M", "3 G"]);
  });

  it("are shares as per cent; all but all is not all", () => {
    expect([0, 0.5, 0.973, 0.9991, 1].map(percent)).toEqual(["0 %", "50.0 %", "97.3 %", "99.9 %", "100 %"]);
  });
});

describe("sizes and times", () => {
  it("are in the unit that fits", () => {
    expect([0, 1023, 4551, 5_000_000, 7 * 1024 ** 4].map(bytes)).toEqual([
      "0 B",
      "1023 B",
      "4.4 KiB",
      "4.8 MiB",
      "7.0 TiB",
    ]);
    expect([0.0042, 0.9996, 3.21, 59.6, 75, 120, 3392, 3600, 4000, 400_000].map(duration)).toEqual([
      "4 ms",
      "1.0 s",
      "3.2 s",
      "1 min",
      "1 min 15 s",
      "2 min",
      "57 min",
      "1 h",
      "1 h 7 min",
      "5 days",
    ]);
  });

  it("say how long ago, never in the future", () => {
    const now = Date.parse("2026-01-02T00:00:00Z");
    expect(ago("2026-01-01T23:59:58Z", now)).toBe("just now");
    expect(ago("2026-01-01T23:58:58Z", now)).toBe("1 min ago");
    expect(ago("2025-12-31T00:00:00Z", now)).toBe("2 d ago");
    expect(ago("2026-01-03T00:00:00Z", now)).toBe("just now");
    expect(ago("nonsense", now)).toBe("–");
    expect(clock("nonsense")).toBe("nonsense");
  });
});
