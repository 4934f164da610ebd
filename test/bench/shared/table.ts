import { isMet, type Row } from "./row.ts";

const HEAD = ["", "ours", "baseline", "min", "median", "max", "target", ""] as const;

/** One line for each row, columns aligned. */
export function table(rows: readonly Row[]): string {
  return aligned([HEAD, ...rows.map(cells)]);
}

function cells(row: Row): string[] {
  const { judged, goal, unit } = row;
  const digits = unit === "x" ? 2 : 0;
  const show = (value: number) => `${value.toFixed(digits)}${unit === "x" ? "x" : ""}`;
  const bound = "atLeast" in goal ? `>= ${show(goal.atLeast)}` : `<= ${show(goal.atMost)}`;
  const spread = [judged.min, judged.median, judged.max].map(show);
  return [row.what, row.ours, row.baseline, ...spread, bound, isMet(row) ? "ok" : "MISSED"];
}

/** Lines of as many cells each. The first and the last column are words, the others numbers. */
export function aligned(lines: readonly (readonly string[])[]): string {
  const columns = lines[0]?.length ?? 0;
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(...lines.map((line) => (line[column] ?? "").length)),
  );
  return lines.map((line) => alignedLine(line, widths)).join("\n");
}

function alignedLine(line: readonly string[], widths: readonly number[]): string {
  const padded = line.map((cell, column) => {
    const width = widths[column] ?? 0;
    return column === 0 || column === line.length - 1 ? cell.padEnd(width) : cell.padStart(width);
  });
  return padded.join("  ").trimEnd();
}
