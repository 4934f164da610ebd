// `npm run soak -- --hours 2` (or `--minutes 20`): a steady load over two replicas of each service, with
// rollovers, compactions and a kill each minute. Ends with 1 when something grows that should not, or was
// not exercised; with 2 when nothing could be measured.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dropDatabase } from "../chaos/report/write-report.ts";
import { parseSoakFlags, type SoakFlags } from "./flags.ts";
import { judgeFlatness } from "./judge/flat.ts";
import { problemsOf } from "./judge/problems.ts";
import { TURNS_PER_SECOND } from "./load/callers.ts";
import { chart } from "./report/chart.ts";
import { tableLines } from "./report/lines.ts";
import { soak } from "./soak.ts";

// Postgres ends when this process does by itself; the services when their channel to it closes.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

async function main(flags: SoakFlags): Promise<number> {
  const folder = join(process.cwd(), "test-results", "soak");
  const { seconds } = flags;
  console.log(`${seconds / 60} minutes at ${TURNS_PER_SECOND} turns a second`);
  const result = await soak(flags, folder);
  const { samples, outcome, rotations } = result;
  const judged = judgeFlatness(samples.all, seconds);
  const problems = problemsOf(result, judged);
  const { asked, answered, again } = outcome;
  const kills = samples.marks.filter(({ what }) => what.startsWith("kill")).length;
  const lines = [
    `${asked} turns asked for, ${answered} answered, ${again} attempts asked again, ${kills} kills`,
    `rotations: ${Object.entries(rotations)
      .map(([reason, count]) => `${count} ${reason}`)
      .join(", ")}`,
    "",
    "the whole run; median and growth of its later half",
    ...tableLines(judged, seconds),
    "",
    ...(problems.length === 0 ? ["nothing grows"] : problems),
  ];
  const picture = join(folder, "soak.svg");
  await writeFile(picture, chart(judged, samples.marks, seconds));
  await writeFile(join(folder, "samples.json"), JSON.stringify(samples.all));
  await writeFile(join(folder, "report.txt"), `${lines.join("\n")}\n`);
  for (const line of [...lines, `picture: ${picture}`]) console.log(line);
  if (problems.length === 0) await dropDatabase(folder);
  return problems.length === 0 ? 0 : 1;
}

process.exitCode = await main(parseSoakFlags(process.argv.slice(2))).catch((error: unknown) => {
  console.error(error);
  return 2;
});
