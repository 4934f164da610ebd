import type { Judged } from "../judge/flat.ts";
import { PANELS } from "../judge/tolerances.ts";
import type { SoakRecord } from "../record.ts";
import { TABLE_SIZE } from "../samples/database.ts";
import type { Series } from "../samples/samples.ts";

const BARS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const WIDTH = 40;

/** What a run comes to, for people. */
export function reportLines(
  { seconds, outcome, rotations, marks }: SoakRecord,
  judged: readonly Judged[],
  problems: readonly string[],
): string[] {
  const { asked, answered, again } = outcome;
  const kills = marks.filter(({ what }) => what.startsWith("kill")).length;
  const counts = (of: Readonly<Record<string, number>>) =>
    Object.entries(of).map(([reason, count]) => `${count} ${reason}`);
  const refused = counts(outcome.refused).map((count) => `, ${count}`);
  return [
    `${asked} turns asked for, ${answered} answered${refused.join("")}, ${again} attempts asked again, ${kills} kills`,
    `rotations: ${counts(rotations).join(", ")}`,
    ...["", "the whole run; median and growth of its later half"],
    ...tableLines(judged, seconds),
    "",
    ...(problems.length === 0 ? ["nothing grows"] : problems),
  ];
}

/** A table for each group: how it went, where it stood in the later half, what it grew by. */
function tableLines(judged: readonly Judged[], seconds: number): string[] {
  return PANELS.flatMap((group) => {
    const of = judged.filter((one) => one.series.group === group && isTold(one));
    return of.length === 0 ? [] : ["", group, ...of.map((one) => lineOf(one, seconds))];
  });
}

/** Small tables fill the page with nothing. */
const LEAST_TOLD: Readonly<Record<string, number>> = { [TABLE_SIZE]: 0.25 };

function isTold({ series, median, ruling }: Judged): boolean {
  return ruling === "GROWS" || median >= (LEAST_TOLD[series.group] ?? 0);
}

function lineOf({ series, median, growth, allowed, ruling }: Judged, seconds: number): string {
  const most = allowed === undefined ? "" : ` of at most ${numberOf(allowed)}`;
  const grew = `${growth < 0 ? "-" : "+"}${numberOf(Math.abs(growth))}${most}`;
  const cells = [series.name.padEnd(26), sparkline(series, seconds), numberOf(median).padStart(9)];
  return `  ${cells.join(" ")}  ${grew.padEnd(24)} ${ruling}`;
}

/** The whole run in one line, each bar the mean of what was measured then; a blank: nothing was. */
function sparkline({ points }: Series, seconds: number): string {
  const values = Array.from({ length: WIDTH }, (_, column) => {
    const [from, to] = [(column * seconds) / WIDTH, ((column + 1) * seconds) / WIDTH];
    const own = points.filter(({ atSeconds }) => atSeconds >= from && atSeconds < to);
    return own.length === 0
      ? undefined
      : own.reduce((sum, { value }) => sum + value, 0) / own.length;
  });
  const most = Math.max(...values.map((value) => value ?? 0));
  return values
    .map((value) => {
      if (value === undefined) return " ";
      return BARS[Math.min(7, Math.floor((most === 0 ? 0 : value / most) * 7.999))] ?? " ";
    })
    .join("");
}

export function numberOf(value: number): string {
  if (value === 0) return "0";
  return Math.abs(value) >= 100
    ? value.toFixed(0)
    : Math.abs(value) >= 1
      ? value.toFixed(1)
      : value.toFixed(3);
}
