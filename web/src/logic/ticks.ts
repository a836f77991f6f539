// Ticks of an axis, linear or logarithmic. A loss that moves between 0.31 and 0.33 gets ticks on a log axis too.

const LEAST = 1e-307;

/** Round values (1, 2 or 5 times a power of ten apart), about `wanted` of them. */
export function linearTicks(low: number, high: number, wanted: number): number[] {
  const rough = (high - low) / Math.max(wanted, 2);
  if (!(rough > 0) || !Number.isFinite(rough)) return [];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((s) => s * power).find((s) => s >= 0.8 * rough) ?? rough;
  const ticks: number[] = [];
  for (let i = Math.ceil(low / step); i * step <= high && ticks.length <= 2 * wanted; i += 1) {
    ticks.push(Number((i * step).toPrecision(12)));
  }
  return ticks;
}

/** Powers of ten where there are enough, else 1-3 or 1-2-5 within each, else round values as on a linear axis. */
export function logTicks(low: number, high: number, wanted: number): number[] {
  const from = Math.log10(Math.max(low, LEAST));
  const to = Math.log10(Math.max(high, LEAST));
  const within = (factors: number[], every: number) => {
    const ticks: number[] = [];
    for (let decade = Math.floor(from); decade <= Math.ceil(to); decade += every) {
      for (const factor of factors) ticks.push(Number((factor * 10 ** decade).toPrecision(12)));
    }
    return ticks.filter((tick) => tick >= low && tick <= high);
  };
  const span = to - from;
  if (span >= wanted) return within([1], Math.ceil(span / wanted));
  if (span >= 3) return within([1], 1);
  const fine = within(span > 1.5 ? [1, 3] : [1, 2, 5], 1);
  return fine.length >= 3 ? fine : linearTicks(low, high, wanted);
}

/** The range to draw around the data's own, with a little room. */
export function range(low: number | null, high: number | null, log: boolean): [number, number] {
  if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high)) return log ? [0.1, 1] : [0, 1];
  if (log) {
    const from = Math.log10(Math.max(low, LEAST));
    const to = Math.log10(Math.max(high, LEAST));
    const room = to > from ? (to - from) * 0.05 : 0.1;
    return [10 ** Math.max(from - room, -307), 10 ** Math.min(to + room, 307)];
  }
  const room = high > low ? (high - low) * 0.05 : Math.abs(high) * 0.1 || 1;
  // A loss stands on zero when it comes near it.
  const floor = low >= 0 && low < (high - low) * 0.6 ? 0 : low - room;
  return [floor, high + room];
}
