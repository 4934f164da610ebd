// `npm run chaos -- --minutes 3 --seed 7`: drives, breaks and judges a whole constellation.
import { join } from "node:path";
import { parseFlags, repeatOf } from "./flags.ts";
import { judgeAll } from "./judges/all.ts";
import { writeReport } from "./report/write-report.ts";
import { run } from "./run.ts";

// Postgres ends when this process does by itself; the services when their channel to it closes.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

const { seconds, seed } = parseFlags(process.argv.slice(2));
const folder = join(process.cwd(), "test-results", `chaos-${seed}`);
console.log(`seed ${seed}`);
const tell = (line: string) => console.log(line);
const history = await run({ seconds, seed, folder, withFaults: true, tell });
const verdicts = judgeAll(history);
for (const line of await writeReport(folder, repeatOf({ seconds, seed }), history, verdicts))
  tell(line);
process.exitCode = verdicts.some(({ findings }) => findings.length > 0) ? 1 : 0;
