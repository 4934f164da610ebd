import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { NOT_MADE } from "../faults/faults.ts";
import type { History } from "../history/history.ts";
import type { Verdict } from "../judges/judge.ts";
import { reportLines } from "./report.ts";
import { timeline } from "./timeline.ts";

/** The database of a run is kept for whoever looks for what was found; otherwise it goes. */
export function dropDatabase(folder: string): Promise<void> {
  return rm(join(folder, "postgres"), { recursive: true, force: true, maxRetries: 3 });
}

/** Writes report.txt, and a picture of the first finding of each broken guarantee, beside the record. */
export async function writeReport(
  folder: string,
  repeat: string,
  history: History,
  verdicts: readonly Verdict[],
): Promise<readonly string[]> {
  const lines = reportLines(history, verdicts, { repeat, notMade: NOT_MADE });
  for (const { guarantee, findings } of verdicts) {
    const [finding] = findings;
    if (finding === undefined) continue;
    const path = join(folder, `${guarantee}.svg`);
    await writeFile(path, timeline(history, finding));
    lines.push(`picture: ${path}`);
  }
  lines.push(`record: ${join(folder, "history.jsonl")}`);
  await writeFile(join(folder, "report.txt"), `${lines.join("\n")}\n`);
  if (verdicts.every(({ findings }) => findings.length === 0)) await dropDatabase(folder);
  return lines;
}
