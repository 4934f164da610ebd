import { join } from "node:path";
import { expect, test } from "vitest";
import { kindsOf, MAIN_FAULTS } from "./faults/faults.ts";
import { repeatOf } from "./flags.ts";
import { judgeAll } from "./judges/all.ts";
import type { Verdict } from "./judges/judge.ts";
import { writeReport } from "./report/write-report.ts";
import { run } from "./run.ts";

/** Long enough for evidence of every guarantee, and for each of the main faults. */
const SECONDS = 60;
const SEED = 7;

/** Two verdicts of G3 are one guarantee's. */
function evidenceOf(verdicts: readonly Verdict[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { guarantee, evidence } of verdicts) {
    found[guarantee] = (found[guarantee] ?? 0) + evidence;
  }
  return found;
}

test("two replicas of each service, broken for a minute: every guarantee was exercised and held", async () => {
  const folder = join(process.cwd(), "test-results", "chaos-test");
  const tell = () => undefined;
  const work = { seconds: SECONDS };
  const history = await run({ work, seed: SEED, folder, faults: MAIN_FAULTS, tell });
  const verdicts = judgeAll(history);
  const about = { repeat: repeatOf({ work, seed: SEED }), kinds: kindsOf(MAIN_FAULTS) };
  const report = await writeReport(folder, about, history, verdicts);
  const found = verdicts.flatMap(({ findings }) => findings);
  expect(found, report.join("\n")).toEqual([]);
  const unseen = Object.entries(evidenceOf(verdicts)).filter(([, evidence]) => evidence === 0);
  expect(unseen, report.join("\n")).toEqual([]);
  const kinds = new Set(history.values("fault").map(({ kind }) => kind));
  const wanting = kindsOf(MAIN_FAULTS).filter((kind) => !kinds.has(kind));
  // A machine under load has time for fewer.
  expect(wanting.length, wanting.join(", ")).toBeLessThan(kindsOf(MAIN_FAULTS).length / 2);
}, 300_000);
