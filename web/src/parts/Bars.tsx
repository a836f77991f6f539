// A column's distribution as small bars: a histogram of numbers or the most frequent values.

import type { ColumnProfile } from "../api/types";
import { count, number } from "../logic/format";

export function Bars({ column }: { column: ColumnProfile }) {
  const { histogram, top } = column;
  if (histogram && histogram.counts.length > 0) {
    const most = Math.max(...histogram.counts, 1);
    const wide = 100 / histogram.counts.length;
    const from = number(histogram.edges[0]);
    const to = number(histogram.edges.at(-1));
    return (
      <figure class="bars">
        <svg
          viewBox="0 0 100 28"
          preserveAspectRatio="none"
          role="img"
          aria-label={`Histogram of ${column.name} from ${from} to ${to}`}
        >
          {histogram.counts.map((n, index) => {
            const tall = n === 0 ? 0 : Math.max((n / most) * 28, 1);
            return (
              <rect key={index} x={index * wide + 0.4} width={Math.max(wide - 0.8, 0.4)} y={28 - tall} height={tall} />
            );
          })}
        </svg>
        <figcaption class="small muted">
          <span>{from}</span>
          <span>{to}</span>
        </figcaption>
      </figure>
    );
  }
  if (top && top.length > 0) {
    const most = Math.max(...top.map(([, n]) => n), 1);
    return (
      <ul class="top small">
        {top.slice(0, 4).map(([value, n]) => (
          <li key={String(value)}>
            <span class="top-name" title={String(value)}>
              {String(value)}
            </span>
            <span class="top-bar" style={{ "--share": n / most }} aria-hidden="true" />
            <span class="top-count">{count(n)}</span>
          </li>
        ))}
        {top.length > 4 ? <li class="muted">and {count(column.distinct - 4)} more</li> : null}
      </ul>
    );
  }
  return <span class="muted small">–</span>;
}
