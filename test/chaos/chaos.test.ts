import { join } from "node:path";
import { expect, test } from "vitest";
import { repeatOf } from "./flags.ts";
import { judgeAll } from "./judges/all.ts";
import type { Verdict } from "./judges/judge.ts";
import { writeReport } from "./report/write-report.ts";
import { run } from "./run.ts";

/** Long enough for evidence of every guarantee, and for some five faults. */
const SECONDS = 18;
const SEED = 7;

/** Two verdicts of G3 are one guarantee's. */
function evidenceOf(verdicts: readonly Verdict[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const { guarantee, evidence } of verdicts) {
    found[guarantee] = (found[guarantee] ?? 0) + evidence;
  }
  return found;
}

test("two replicas of each service, broken for a while: every guarantee was exercised and held", async () => {
  const folder = join(process.cwd(), "test-results", "chaos-test");
  const tell = () => undefined;
  const history = await run({ seconds: SECONDS, seed: SEED, folder, withFaults: true, tell });
  const verdicts = judgeAll(history);
  const repeat = repeatOf({ seconds: SECONDS, seed: SEED });
  const report = await writeReport(folder, repeat, history, verdicts);
  const found = verdicts.flatMap(({ findings }) => findings);
  expect(found, report.join("\n")).toEqual([]);
  const unseen = Object.entries(evidenceOf(verdicts)).filter(([, evidence]) => evidence === 0);
  expect(unseen, report.join("\n")).toEqual([]);
  expect(history.values("fault").length).toBeGreaterThan(0);
}, 240_000);
