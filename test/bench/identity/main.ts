// `npm run bench:identity [-- --quick] [-- --only a,b] [-- --cpu-prof <folder>]`: how fast
// session-identity is, as ratios to what the same machine does in the same minutes. Ends with 1 when a
// target is missed, with 2 when nothing could be measured.
import { cpus } from "node:os";
import type { Disposal } from "@lanekeeper/service";
import { type Flags, readFlags, type Target } from "./flags.ts";
import { manyKeys } from "./measures/many-keys.ts";
import { memory } from "./measures/memory.ts";
import { resolveLatency, resolveThroughput } from "./measures/resolve-against-empty.ts";
import { durableWrites } from "./measures/writes.ts";
import { runBench, tellRows } from "../shared/bench.ts";
import type { Row } from "../shared/row.ts";
import { WHOLE_RUN_MS, type Sizes } from "./sizes.ts";
import { openWorld, type World } from "./world/world.ts";

type Measure = (world: World, sizes: Sizes) => Promise<Row[]>;

const MEASURES: Readonly<Record<Target, Measure>> = {
  a: resolveThroughput,
  b: durableWrites,
  c: resolveLatency,
  d: manyKeys,
  e: memory,
};

async function measureAll(opened: Disposal, flags: Flags): Promise<readonly Row[]> {
  const { sizes, quick, only } = flags;
  console.error("starting Postgres (fsync on), the service, the empty RPC and the callers");
  const world = await openWorld(opened, flags);
  const machine = `Node ${process.versions.node}, Postgres ${world.postgresVersion}, ${cpus().length} cores`;
  console.log(`${machine}${quick ? "; --quick: sizes below those of the targets" : ""}`);
  const rows: Row[] = [];
  for (const [name, measure] of Object.entries(MEASURES)) {
    if (!only.has(name as Target)) continue;
    console.error(`measuring (${name})`);
    rows.push(...(await measure(world, sizes)));
  }
  return rows;
}

await runBench(WHOLE_RUN_MS, async (opened) =>
  tellRows(await measureAll(opened, readFlags(process.argv.slice(2)))),
);
