// A line chart on uPlot: several columns of one curve over epochs or steps. At most one redraw a frame, however often
// data arrive; a zoom of the viewer's is kept while they do.

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Curve } from "../logic/curve";
import { number } from "../logic/format";
import { linearTicks, logTicks, range } from "../logic/ticks";
import { scheme } from "../theme";

interface Props {
  curve: Curve;
  /** Changes when the curve does. */
  version: number;
  columns: string[];
  /** How each column is drawn; by its part of the data unless told otherwise. */
  looks?: Look[];
  log: boolean;
  /** Where the best value stands. */
  best: { x: number; column: string } | null;
  /** The index under the pointer, or `null`. */
  onPoint: (index: number | null) => void;
  label: string;
}

export interface Look {
  /** A class of the style sheet that gives the colour. */
  className: string;
  width: number;
  dash: number[];
}

/** The look of a column by its part of the data: colour, width, dashes. */
export function look(column: string): Look {
  if (column.startsWith("val_")) return { className: "line-validation", width: 2.25, dash: [] };
  if (column.startsWith("test_")) return { className: "line-test", width: 2, dash: [8, 4] };
  if (column.startsWith("train_eval_")) return { className: "line-train-eval", width: 1.5, dash: [3, 3] };
  return { className: "line-train", width: 1.5, dash: [] };
}

/** The colour that the style sheet gives a class, in the scheme that is shown now. */
function colour(className: string): string {
  const probe = document.createElement("span");
  probe.className = className;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function data(curve: Curve, columns: string[], log: boolean): uPlot.AlignedData {
  const ys = columns.map((name) => {
    const column = curve.columns.get(name) ?? [];
    return log ? column.map((v) => (typeof v === "number" && v <= 0 ? null : v)) : column;
  });
  return [curve.x, ...ys] as uPlot.AlignedData;
}

function options(props: Props, width: number, height: number): uPlot.Options {
  const { columns, log, best } = props;
  const looks = props.looks ?? columns.map(look);
  const ink = colour("chart-ink");
  const grid = colour("chart-grid");
  const axis = {
    stroke: ink,
    font: "11px system-ui, sans-serif",
    grid: { stroke: grid, width: 1 },
    ticks: { stroke: grid, width: 1, size: 5 },
  };
  const marker = (u: uPlot) => {
    if (!best) return;
    const series = columns.indexOf(best.column) + 1;
    const index = u.data[0].indexOf(best.x);
    const value = series > 0 && index >= 0 ? u.data[series]?.[index] : undefined;
    if (typeof value !== "number") return;
    const x = u.valToPos(best.x, "x", true);
    const { top, height: tall, left, width: wide } = u.bbox;
    if (x < left || x > left + wide) return;
    u.ctx.save();
    u.ctx.strokeStyle = ink;
    u.ctx.fillStyle = colour(looks[series - 1]?.className ?? "chart-ink");
    u.ctx.lineWidth = uPlot.pxRatio;
    u.ctx.setLineDash([3 * uPlot.pxRatio, 3 * uPlot.pxRatio]);
    u.ctx.beginPath();
    u.ctx.moveTo(x, top);
    u.ctx.lineTo(x, top + tall);
    u.ctx.stroke();
    u.ctx.setLineDash([]);
    u.ctx.beginPath();
    u.ctx.arc(x, u.valToPos(value, "y", true), 4 * uPlot.pxRatio, 0, 2 * Math.PI);
    u.ctx.fill();
    u.ctx.restore();
  };
  return {
    width,
    height,
    padding: [8, 22, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 7 }, drag: { x: true, y: false, dist: 6 } },
    scales: {
      x: { time: false, range: (_u, low, high) => (high > low ? [low, high] : [low, low + 1]) },
      y: { distr: log ? 3 : 1, range: (_u, low, high) => range(low, high, log) },
    },
    axes: [
      {
        ...axis,
        size: 32,
        splits: (u) => {
          const { min, max } = u.scales.x as { min: number; max: number };
          const ticks = linearTicks(min, max, Math.max(3, Math.floor(u.width / 90)));
          return ticks.filter((tick) => Number.isInteger(tick));
        },
        values: (_u, ticks) => ticks.map((tick) => number(tick)),
      },
      {
        ...axis,
        size: 58,
        splits: (u) => {
          const { min, max } = u.scales.y as { min: number; max: number };
          const wanted = Math.max(3, Math.floor(u.height / 50));
          return log ? logTicks(min, max, wanted) : linearTicks(min, max, wanted);
        },
        filter: (_u, ticks) => ticks,
        values: (_u, ticks) => ticks.map((tick) => number(tick)),
      },
    ],
    series: [
      {},
      ...looks.map(({ className, width: stroke, dash }, at) => {
        return {
          label: columns[at] ?? "",
          stroke: colour(className),
          width: stroke,
          dash,
          points: { show: isolated, size: 5 },
        };
      }),
    ],
    hooks: {
      draw: [marker],
      setCursor: [(u) => props.onPoint(u.cursor.idx ?? null)],
    },
  };
}

/** Points are drawn only where a column has few: a lone point makes no line. */
function isolated(u: uPlot, series: number): boolean {
  let values = 0;
  for (const value of u.data[series] ?? []) {
    if (typeof value === "number") values += 1;
    if (values > 3) return false;
  }
  return true;
}

/** A swatch of a line, for legends. */
export function Swatch({ look: { className, width, dash } }: { look: Look }) {
  return (
    <svg width="18" height="8" aria-hidden="true" class={className}>
      <line x1="0" x2="18" y1="4" y2="4" stroke="currentColor" stroke-width={width} stroke-dasharray={dash.join(" ")} />
    </svg>
  );
}

export function Chart(props: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const frame = useRef(0);
  const zoomed = useRef(false);
  const { curve, version, columns, log, best, label } = props;
  const shape = `${columns.join(" ")}|${log}|${curve.by}|${best?.x}|${best?.column}|${scheme.value}`;

  useEffect(() => {
    const place = box.current;
    if (!place) return;
    const size = () => ({ width: Math.max(place.clientWidth, 200), height: Math.max(place.clientHeight, 160) });
    const { width, height } = size();
    const made = new uPlot(options(props, width, height), data(curve, columns, log), place);
    made.over.addEventListener("mousedown", () => {
      zoomed.current = true;
    });
    made.over.addEventListener("dblclick", () => {
      zoomed.current = false;
    });
    plot.current = made;
    zoomed.current = false;
    const observer = new ResizeObserver(() => made.setSize(size()));
    observer.observe(place);
    return () => {
      observer.disconnect();
      cancelAnimationFrame(frame.current);
      made.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => {
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(() => {
      const keep = zoomed.current ? plot.current?.scales.x : undefined;
      plot.current?.batch(() => {
        plot.current?.setData(data(curve, columns, log));
        if (keep && typeof keep.min === "number" && typeof keep.max === "number") {
          plot.current?.setScale("x", { min: keep.min, max: keep.max });
        }
      });
    });
  }, [version]);

  return <div ref={box} class="chart" role="img" aria-label={label} />;
}
