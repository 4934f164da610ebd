// `npm run chaos -- --minutes 3 --seed 7`: drives, breaks and judges a whole constellation.
import { join } from "node:path";
import { FAULTS, kindsOf, KILLS } from "./faults/faults.ts";
import { parseFlags, repeatOf } from "./flags.ts";
import { judgeAll } from "./judges/all.ts";
import { writeReport } from "./report/write-report.ts";
import { run } from "./run.ts";

// Postgres ends when this process does by itself; the services when their channel to it closes.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

const { work, seed } = parseFlags(process.argv.slice(2));
const folder = join(process.cwd(), "test-results", `chaos-${seed}`);
const faults = "seconds" in work ? FAULTS : KILLS;
console.log(`seed ${seed}`);
const tell = (line: string) => console.log(line);
const history = await run({ work, seed, folder, faults, tell });
const verdicts = judgeAll(history);
const about = { repeat: repeatOf({ work, seed }), kinds: kindsOf(faults) };
for (const line of await writeReport(folder, about, history, verdicts)) tell(line);
process.exitCode = verdicts.some(({ findings }) => findings.length > 0) ? 1 : 0;
