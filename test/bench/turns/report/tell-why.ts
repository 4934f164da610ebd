import type { Measured } from "../load/jobs.ts";

/** What callers were told instead of an answer. */
export function tellWhy(who: string, { failures }: Pick<Measured, "failures">): void {
  for (const [why, count] of Object.entries(failures)) {
    console.log(`${who}: ${count} times ${why}`);
  }
}
