// A word-sized curve for a row of a list or a line of numbers: on a log scale, no axes.

import type { Curve, Value } from "../logic/curve";

const WIDE = 120;
const TALL = 26;

const LOSSES = ["loss", "val_loss"];

export function Spark({ curve, of = LOSSES }: { curve: Curve | undefined; of?: string[] }) {
  const columns = of.filter((name) => curve?.columns.has(name));
  if (!curve || columns.length === 0) return <span class="spark" />;
  const all = columns.flatMap((name) => curve.columns.get(name) ?? []).filter(positive);
  const low = Math.log(all.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY));
  const high = Math.log(all.reduce((a, b) => Math.max(a, b), 0));
  const first = curve.x[0] ?? 0;
  const last = curve.x.at(-1) ?? 0;
  const x = (place: number) => (last > first ? ((place - first) / (last - first)) * (WIDE - 4) + 2 : WIDE / 2);
  const y = (value: number) =>
    high > low ? TALL - 3 - ((Math.log(value) - low) / (high - low)) * (TALL - 6) : TALL / 2;
  const path = (values: Value[]) => {
    let pen = "M";
    let out = "";
    values.forEach((value, index) => {
      if (value === null) pen = "M";
      if (!positive(value)) return;
      out += `${pen}${x(curve.x[index] ?? 0).toFixed(1)} ${y(value).toFixed(1)}`;
      pen = "L";
    });
    return out;
  };
  return (
    <svg class="spark" viewBox={`0 0 ${WIDE} ${TALL}`} width={WIDE} height={TALL} aria-hidden="true">
      {columns.map((name) => (
        <path
          key={name}
          class={name.startsWith("val_") ? "line-validation" : "line-train"}
          d={path(curve.columns.get(name) ?? [])}
        />
      ))}
    </svg>
  );
}

function positive(value: Value): value is number {
  return typeof value === "number" && value > 0;
}
