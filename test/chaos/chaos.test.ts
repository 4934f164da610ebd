import { join } from "node:path";
import { expect, test } from "vitest";
import { kindsOf, MAIN_FAULTS } from "./faults/faults.ts";
import { madeFaults } from "./faults/made.ts";
import { repeatOf } from "./flags.ts";
import { judgeAll } from "./judges/all.ts";
import { writeReport } from "./report/write-report.ts";
import { run } from "./run.ts";

/** Long enough for evidence of every guarantee, and mostly for each of the main faults. */
const SECONDS = 60;
/** A machine under load takes longer for a round of faults, and some come again until they hit something. */
const PATIENCE_SECONDS = 180;
const SEED = 7;

test("two replicas of each service, broken for a minute: every guarantee was exercised and held", async () => {
  const folder = join(process.cwd(), "test-results", "chaos-test");
  const tell = () => undefined;
  const work = { seconds: SECONDS };
  const patience = { patienceSeconds: PATIENCE_SECONDS };
  const history = await run({ work, ...patience, seed: SEED, folder, faults: MAIN_FAULTS, tell });
  const verdicts = judgeAll(history);
  const about = { repeat: repeatOf({ work, seed: SEED }), kinds: kindsOf(MAIN_FAULTS) };
  const report = await writeReport(folder, about, history, verdicts);
  const found = verdicts.flatMap(({ findings }) => findings);
  expect(found, report.join("\n")).toEqual([]);
  const unseen = verdicts.filter(({ evidence }) => evidence === 0);
  expect(unseen, report.join("\n")).toEqual([]);
  const notMade = madeFaults(history, kindsOf(MAIN_FAULTS)).filter(({ isMade }) => !isMade);
  expect(notMade, report.join("\n")).toEqual([]);
}, 420_000);
