import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { History } from "../history/history.ts";
import type { Verdict } from "../judges/judge.ts";
import { type About, reportLines } from "./report.ts";
import { timeline } from "./timeline.ts";

/** The database of a run is kept for whoever looks for what was found; otherwise it goes. */
export async function dropDatabase(folder: string): Promise<void> {
  for (const part of ["postgres", "disk", "disk.img", "program"]) {
    await rm(join(folder, part), { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Writes report.txt, and a picture of the first finding of each broken guarantee, beside the record. */
export async function writeReport(
  folder: string,
  about: About,
  history: History,
  verdicts: readonly Verdict[],
): Promise<readonly string[]> {
  const lines = reportLines(history, verdicts, about);
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
