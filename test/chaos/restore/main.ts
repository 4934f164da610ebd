// `npm run chaos:restore [-- --seed N]`: a backup is restored under running clients, with the fences raised: nothing
// that was valid before it is accepted; and without: the same judges have to find what then goes wrong.
import { join } from "node:path";
import { parseFlags } from "../flags.ts";
import { rulingOf } from "../report/report.ts";
import { dropDatabase } from "../report/write-report.ts";
import { gotOn, judgeRestore } from "./judges.ts";
import { restoreUnder } from "./restore-under.ts";

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

const { seed } = parseFlags(process.argv.slice(2));
const tell = (line: string) => console.log(line);

async function verdictsOf(raises: boolean) {
  tell(`\n${raises ? "with `lanekeeper fence raise`" : "without it"}`);
  const folder = join(process.cwd(), "test-results", raises ? "restore" : "restore-unraised");
  const history = await restoreUnder({ folder, seed, raises, tell });
  const verdicts = judgeRestore(history);
  for (const verdict of verdicts) {
    const { guarantee, evidence, counted, findings } = verdict;
    tell(
      `  ${guarantee.padEnd(4)} ${rulingOf(verdict).padEnd(14)} ${String(evidence).padStart(6)} ${counted}`,
    );
    for (const { key, what } of findings.slice(0, 3)) tell(`       ${key}: ${what}`);
  }
  const rest = gotOn(history);
  tell(`  ${rest} clients got on after the restore`);
  await dropDatabase(folder);
  return { verdicts, rest };
}

const raised = await verdictsOf(true);
const isSafe = raised.verdicts.every((verdict) => rulingOf(verdict) === "held") && raised.rest > 0;
tell(isSafe ? "  nothing of before was accepted" : "  BROKEN");
const unraised = await verdictsOf(false);
const isNoticed = unraised.verdicts.some(({ findings }) => findings.length > 0);
tell(isNoticed ? "  a restore without the raise is noticed" : "  NOT NOTICED");
process.exitCode = isSafe && isNoticed ? 0 : 1;
