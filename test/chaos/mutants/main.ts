// `npm run chaos:mutants [-- name …]`: plants each fault in turn and asks whether the harness reports it.
import { join } from "node:path";
import { NO_FAULTS } from "../faults/faults.ts";
import { judgeAll } from "../judges/all.ts";
import { dropDatabase } from "../report/write-report.ts";
import { run } from "../run.ts";
import { MUTANTS } from "./mutants.ts";

/** Enough for each of them to show, on two cores; the seed is the same for all. */
const SECONDS = 15;
const SEED = 20_260_712;

// Postgres ends when this process does by itself; the services when their channel to it closes.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => MUTANTS.every((known) => known.name !== name));
if (unknown.length > 0) throw new Error(`there is no planted fault ${unknown.join(", ")}`);
const chosen = MUTANTS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
let missed = 0;
for (const { name, about, breaks } of chosen) {
  const folder = join(process.cwd(), "test-results", `chaos-mutant-${name}`);
  const quiet = { tell: () => undefined, faults: NO_FAULTS };
  const work = { seconds: SECONDS };
  const history = await run({ work, seed: SEED, folder, mutant: name, ...quiet });
  await dropDatabase(folder);
  const findings = judgeAll(history).flatMap((verdict) => verdict.findings);
  const broken = [...new Set(findings.map(({ guarantee }) => guarantee))];
  const isCaught = broken.some((guarantee) => breaks.includes(guarantee));
  if (!isCaught) missed += 1;
  console.log(`${isCaught ? "reported" : "MISSED  "} ${name}: ${about}`);
  const own = findings.find(({ guarantee }) => breaks.includes(guarantee)) ?? findings[0];
  console.log(
    `         ${broken.join(", ") || "nothing"}${own === undefined ? "" : `; ${own.what}`}`,
  );
}
console.log(`${chosen.length - missed} of ${chosen.length} planted faults were reported`);
process.exitCode = missed === 0 ? 0 : 1;
