import type { CallName } from "../history/calls.ts";
import { groupBy, type History, type Op } from "../history/history.ts";
import type { Finding } from "../judges/judge.ts";

const WIDTH = 1_400;
const LEFT = 230;
const ROW = 18;
const TOP = 46;
/** Before and after what was found, in milliseconds. */
const AROUND_MS = 4_000;

const COLOURS = { ok: "#2e7d32", fail: "#c62828", info: "#9e9e9e" } as const;

interface Bar {
  readonly row: string;
  readonly start: number;
  readonly end: number;
  readonly colour: string;
  readonly label: string;
}

/** A picture of all that happened to one key around a finding: calls by who made them, and the faults. */
export function timeline(history: History, finding: Finding): string {
  const bars = [...callBars(history, finding.key), ...modelBars(history, finding.key)];
  const at = finding.at > 0 ? finding.at : (bars[0]?.start ?? 0);
  const [from, to] = [Math.max(0, at - AROUND_MS), at + AROUND_MS];
  const shown = bars.filter(({ start, end }) => end >= from && start <= to);
  const rows = [...groupBy(shown, ({ row }) => row).keys()];
  const x = (ms: number) =>
    LEFT + ((Math.min(Math.max(ms, from), to) - from) / (to - from)) * (WIDTH - LEFT - 20);
  const height = TOP + (rows.length + 2) * ROW;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="monospace" font-size="11">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<text x="8" y="16">${escaped(`${finding.guarantee} ${finding.key}: ${finding.what}`)}</text>`,
    `<text x="8" y="34">${(from / 1_000).toFixed(2)} s to ${(to / 1_000).toFixed(2)} s; green: answered, red: refused, grey: unknown</text>`,
    ...faultBands(history, from, to, x, height),
    ...rows.map((row, index) => `<text x="8" y="${TOP + index * ROW + 12}">${escaped(row)}</text>`),
    ...shown.map((bar) => rectangle(bar, rows.indexOf(bar.row), x)),
    `<line x1="${x(at)}" x2="${x(at)}" y1="${TOP}" y2="${height}" stroke="#c62828" stroke-dasharray="3"/>`,
    "</svg>",
  ];
  return parts.join("\n");
}

function callBars(history: History, key: string): Bar[] {
  return history.ops
    .filter((op) => isAbout(op, key))
    .map((op) => {
      const { process: row, start, end, outcome, f } = op;
      const told = outcome === "ok" ? JSON.stringify(op.answer) : (op.refused?.reason ?? "unknown");
      return {
        row,
        start,
        end,
        colour: COLOURS[outcome],
        label: `${f} ${JSON.stringify(op.ask)} → ${told}`,
      };
    });
}

function isAbout({ ask, answer }: Op<CallName>, key: string): boolean {
  const told = answer as { readonly key?: string } | undefined;
  return (
    ("key" in ask && ask.key === key) || told?.key === key || ("name" in ask && ask.name === key)
  );
}

/** The model's work on what was committed under the key. */
function modelBars(history: History, key: string): Bar[] {
  const turns = history.values("finalTurn").filter((turn) => turn.key === key);
  const ends = new Map(history.seen("answered").map(({ at, value }) => [value.nonce, at]));
  return history.seen("asked").flatMap(({ at, value }) => {
    const turn = turns.find(({ reply }) => reply.startsWith(`reply ${value.nonce} `));
    if (turn === undefined) return [];
    const label = `turn ${turn.turnId}, lane_seq ${turn.laneSeq}`;
    return [
      { row: "model", start: at, end: ends.get(value.nonce) ?? at, colour: "#1565c0", label },
    ];
  });
}

function rectangle(
  { start, end, colour, label }: Bar,
  row: number,
  x: (ms: number) => number,
): string {
  const width = Math.max(2, x(end) - x(start));
  const place = `x="${x(start)}" y="${TOP + row * ROW + 2}" width="${width}" height="${ROW - 5}"`;
  return `<rect ${place} fill="${colour}" fill-opacity="0.75"><title>${escaped(label)}</title></rect>`;
}

function faultBands(
  history: History,
  from: number,
  to: number,
  x: (ms: number) => number,
  height: number,
): string[] {
  const faults = history.seen("fault");
  return faults.flatMap(({ at, value }) => {
    if (value.state !== "begin") return [];
    const { kind, target } = value;
    const ended = faults.find(
      (other) =>
        other.at >= at &&
        other.value.state === "end" &&
        other.value.kind === kind &&
        other.value.target === target,
    );
    const end = ended?.at ?? to;
    if (end < from || at > to) return [];
    const place = `x="${x(at)}" y="${TOP}" width="${Math.max(3, x(end) - x(at))}" height="${height - TOP}"`;
    const label = `<text x="${x(at)}" y="${height - 6}">${escaped(`${value.kind}: ${value.target}`)}</text>`;
    return [`<rect ${place} fill="#ffb300" fill-opacity="0.2"/>`, label];
  });
}

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
