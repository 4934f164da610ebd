// `npm run bench:turns [-- --quick] [-- --only rows,hot] [-- --cpu-prof <folder>]`: turns
// through HTTP, all services as processes of their own, Postgres with fsync on, beside graphile-worker
// on the same server, and beside what a turn's steps cost at least. Ends with 1 when a target is missed, with 2 when nothing could be measured.
import { cpus } from "node:os";
import type { Disposal } from "@lanekeeper/service";
import { runBench, tellRows } from "../shared/bench.ts";
import type { Row } from "../shared/row.ts";
import { table } from "../shared/table.ts";
import { type Flags, readFlags } from "./flags.ts";
import { hotLane } from "./measures/hot-lane.ts";
import { againstGraphile, judgeRows } from "./measures/judge.ts";
import { type TurnsRow, turnsRows } from "./measures/rows.ts";
import { tellWhy } from "./report/tell-why.ts";
import { turnsTable } from "./report/turns-table.ts";
import { WHOLE_RUN_MS } from "./sizes.ts";
import { openWorld } from "./world/world.ts";

async function measureAll(opened: Disposal, flags: Flags): Promise<readonly Row[]> {
  const { sizes, quick, only } = flags;
  console.error("starting Postgres (fsync on), the constellation, graphile-worker and the callers");
  const world = await openWorld(opened, flags);
  const machine = `Node ${process.versions.node}, Postgres ${world.postgresVersion}, ${cpus().length} cores`;
  console.log(`${machine}${quick ? "; --quick: sizes below those of the targets" : ""}`);
  const judged: Row[] = [];
  if (only.has("rows")) {
    console.error("measuring turns per second");
    const rows = await turnsRows(world, sizes, tellProgress);
    console.log(`\n${turnsTable(rows)}`);
    tellFailures(rows);
    console.log(
      `\nwhat a turn's steps cost at least, by the same targets\n${table(againstGraphile(rows, "the steps alone"))}`,
    );
    judged.push(...judgeRows(rows));
  }
  if (only.has("hot")) {
    console.error("measuring the hot lane");
    judged.push(...(await hotLane(world, sizes)));
  }
  return judged;
}

/** The table comes at the end; a run that is called off has told something. */
function tellProgress({ system, callers, measured }: TurnsRow): void {
  const { perSecond, p50Ms } = measured;
  console.error(`${system}, ${callers}: ${perSecond.toFixed(0)}/s, p50 ${p50Ms.toFixed(1)} ms`);
}

function tellFailures(rows: readonly TurnsRow[]): void {
  for (const { system, callers, measured } of rows) {
    tellWhy(`${system}, ${callers} callers`, measured);
  }
}

await runBench(WHOLE_RUN_MS, async (opened) =>
  tellRows(await measureAll(opened, readFlags(process.argv.slice(2)))),
);
