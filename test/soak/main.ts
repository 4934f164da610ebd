// `npm run soak -- --hours 2` (or `--minutes 20`): a steady load over two replicas of each service, with
// rollovers, compactions and a kill each minute. Ends with 1 when something grows that should not, or was
// not exercised; with 2 when nothing could be measured. `--judge test-results/soak/record.json` judges a
// run again.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dropDatabase } from "../chaos/report/write-report.ts";
import { parseSoakFlags, type SoakFlags } from "./flags.ts";
import { judgeFlatness } from "./judge/flat.ts";
import { problemsOf } from "./judge/problems.ts";
import { TURNS_PER_SECOND } from "./load/callers.ts";
import { readRecord, type SoakRecord, writeRecord } from "./record.ts";
import { chart } from "./report/chart.ts";
import { reportLines } from "./report/lines.ts";
import { soak } from "./soak.ts";

// Postgres ends when this process does by itself; the services when their channel to it closes.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

const FOLDER = join(process.cwd(), "test-results", "soak");

async function recordOf(flags: SoakFlags): Promise<SoakRecord> {
  if (flags.judge !== undefined) return readRecord(flags.judge);
  console.log(`${flags.seconds / 60} minutes at ${TURNS_PER_SECOND} turns a second`);
  const record = await soak(flags, FOLDER);
  await writeRecord(join(FOLDER, "record.json"), record);
  return record;
}

async function main(flags: SoakFlags): Promise<number> {
  const record = await recordOf(flags);
  const judged = judgeFlatness(record.series, record.seconds);
  const problems = problemsOf(record, judged);
  const lines = reportLines(record, judged, problems);
  for (const line of lines) console.log(line);
  const picture = join(FOLDER, "soak.svg");
  await writeFile(picture, chart(judged, record.marks, record.seconds));
  await writeFile(join(FOLDER, "report.txt"), `${lines.join("\n")}\n`);
  console.log(`picture: ${picture}`);
  if (problems.length === 0) await dropDatabase(FOLDER);
  return problems.length === 0 ? 0 : 1;
}

process.exitCode = await main(parseSoakFlags(process.argv.slice(2))).catch((error: unknown) => {
  console.error(error);
  return 2;
});
