import { Disposal } from "@lanekeeper/service";
import { calledOff } from "./called-off.ts";
import { isMet, type Row } from "./row.ts";
import { table } from "./table.ts";

/**
 * Runs a benchmark as its whole process, and sets how that ends: with 0 when `measure` resolves to true, all
 * its targets met; with 1 when one was missed; with 2 when nothing could be measured, or not in time. What
 * `measure` opens is closed whatever happens.
 */
export async function runBench(
  wholeRunMs: number,
  measure: (opened: Disposal) => Promise<boolean>,
): Promise<void> {
  const opened = new Disposal();
  try {
    process.exitCode = (await Promise.race([measure(opened), calledOff(wholeRunMs)])) ? 0 : 1;
  } catch (error) {
    console.error(error);
    process.exitCode = 2;
  } finally {
    await opened[Symbol.asyncDispose]();
  }
}

/** Prints rows with their targets; true: all are met. */
export function tellRows(rows: readonly Row[]): boolean {
  console.log(`\n${table(rows)}`);
  const missed = rows.filter((row) => !isMet(row)).length;
  console.log(missed === 0 ? "\nall targets met" : `\n${missed} of ${rows.length} missed`);
  return missed === 0;
}
