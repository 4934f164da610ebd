import type { Judged } from "../judge/flat.ts";
import { PANELS } from "../judge/tolerances.ts";
import type { SoakRecord } from "../record.ts";
import { numberOf } from "./lines.ts";

const COLUMNS = 2;
const PANEL = { width: 760, height: 240, plot: 470, top: 26, bottom: 18, left: 46 };
/** Lines of a panel that have a name beside them; more would not be told apart. */
const MOST_LINES = 14;
const COLOURS = [
  ...["#1565c0", "#c62828", "#2e7d32", "#ef6c00", "#6a1b9a", "#00838f", "#ad1457"],
  ...["#558b2f", "#4527a0", "#d84315", "#37474f", "#f9a825", "#00695c", "#5d4037"],
];

type Marks = SoakRecord["marks"];

/** A picture of a run: a panel for each group, kills as lines across it, the judged half shaded. */
export function chart(judged: readonly Judged[], marks: Marks, seconds: number): string {
  const panels = PANELS.map((group) => ({
    group,
    lines: judged
      .filter(({ series }) => series.group === group)
      .toSorted(
        (a, b) =>
          Number(b.ruling === "GROWS") - Number(a.ruling === "GROWS") || b.median - a.median,
      )
      .slice(0, MOST_LINES),
  })).filter(({ lines }) => lines.length > 0);
  const rows = Math.ceil(panels.length / COLUMNS);
  const [width, height] = [COLUMNS * PANEL.width, rows * PANEL.height];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="monospace" font-size="10">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    ...panels.flatMap(({ group, lines }, index) => {
      const [x, y] = [(index % COLUMNS) * PANEL.width, Math.floor(index / COLUMNS) * PANEL.height];
      return [
        `<g transform="translate(${x} ${y})">`,
        ...panel(group, lines, marks, seconds),
        "</g>",
      ];
    }),
    "</svg>",
  ].join("\n");
}

function panel(group: string, lines: readonly Judged[], marks: Marks, seconds: number): string[] {
  const { left, top, plot, height, bottom } = PANEL;
  const values = lines.flatMap(({ series }) => series.points.map(({ value }) => value));
  const most = Math.max(...values, 1e-9) * 1.05;
  const floor = height - bottom;
  const x = (at: number) => (left + (at / seconds) * (plot - left)).toFixed(1);
  const y = (value: number) => (floor - (value / most) * (floor - top)).toFixed(1);
  return [
    `<text x="8" y="16" font-weight="bold" font-size="12">${escaped(group)}</text>`,
    `<rect x="${x(seconds / 2)}" y="${top}" width="${(plot - left) / 2}" height="${floor - top}" fill="#eceff1"/>`,
    ...[0, most / 2, most].map(
      (value) =>
        `<text x="${left - 4}" y="${y(value)}" text-anchor="end">${numberOf(value)}</text>`,
    ),
    ...marks.map(({ atSeconds, what }) => {
      const stroke = what.startsWith("kill") ? "#c62828" : "#1565c0";
      return `<line x1="${x(atSeconds)}" x2="${x(atSeconds)}" y1="${top}" y2="${floor}" stroke="${stroke}" stroke-opacity="0.35" stroke-dasharray="2"><title>${escaped(what)}</title></line>`;
    }),
    ...lines.flatMap((line, index) => curve(line, index, x, y)),
    `<text x="${left}" y="${height - 5}">0 s</text>`,
    `<text x="${plot}" y="${height - 5}" text-anchor="end">${Math.round(seconds)} s</text>`,
  ];
}

function curve(
  { series, ruling, growth, allowed }: Judged,
  index: number,
  x: (at: number) => string,
  y: (value: number) => string,
): string[] {
  const colour = COLOURS[index % COLOURS.length];
  const points = series.points.map(({ atSeconds, value }) => `${x(atSeconds)},${y(value)}`);
  const most = allowed === undefined ? "" : `/${numberOf(allowed)}`;
  const told = `${series.name} ${growth < 0 ? "" : "+"}${numberOf(growth)}${most} ${ruling}`;
  const place = `x="${PANEL.plot + 8}" y="${PANEL.top + 10 + index * 14}"`;
  return [
    `<polyline points="${points.join(" ")}" fill="none" stroke="${colour}"/>`,
    `<text ${place} fill="${colour}"${ruling === "GROWS" ? ' font-weight="bold"' : ""}>${escaped(told)}</text>`,
  ];
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
