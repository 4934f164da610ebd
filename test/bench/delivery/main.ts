// `npm run bench:delivery [-- --quick] [-- --cpu-prof <folder>]`: replies a second over many routes to a
// local receiver, all services as processes of their own, Postgres with fsync on, and the ratio to posting
// the same bodies without any durability; beside it what the steps of a reply cost at least. Ends with 1 when
// the ratio is too low, with 2 when nothing could be measured.
import { cpus } from "node:os";
import type { Disposal } from "@lanekeeper/service";
import { runBench } from "../shared/bench.ts";
import type { CpuSeconds } from "../shared/processes.ts";
import { spreadOf } from "../shared/ratios.ts";
import { comparison, isMet, perSecond } from "../shared/row.ts";
import { table } from "../shared/table.ts";
import { type Flags, readFlags } from "./flags.ts";
import { type Measured, measureRound } from "./measure.ts";
import { type Sizes, WHOLE_RUN_MS } from "./sizes.ts";
import { openWorld } from "./world.ts";

async function measureAll(opened: Disposal, flags: Flags): Promise<readonly Measured[]> {
  console.error("starting Postgres (fsync on), the services and the receiver");
  const world = await openWorld(opened, flags);
  const text = "x".repeat(flags.sizes.textChars);
  const rounds: Measured[] = [];
  for (let round = 1; round <= flags.sizes.rounds; round += 1) {
    const measured = await measureRound(world, flags.sizes, text);
    const { delivered, plain, least } = measured;
    const rates = [delivered, least.delivered, plain].map(perSecond);
    console.error(`round ${round}: ${rates[0]}, the steps alone ${rates[1]}, bare ${rates[2]}`);
    rounds.push(measured);
  }
  return rounds;
}

function report(rounds: readonly Measured[], sizes: Sizes): boolean {
  const { routes, messagesPerRoute, textChars, inFlight, minRatio } = sizes;
  console.log(`Node ${process.versions.node}, ${cpus().length} cores, everything on this machine`);
  console.log(
    `${routes * messagesPerRoute} replies of ${textChars} characters over ${routes} routes, ${inFlight} posts at once`,
  );
  const against = (kind: "plain" | "signed") =>
    rounds.map((round) => ({ ours: round.delivered, baseline: round[kind] }));
  const goal = { atLeast: minRatio };
  const judged = comparison("posted, nothing else", against("plain"), goal, perSecond);
  const other = comparison("made, signed and posted", against("signed"), goal, perSecond);
  const bound = comparison(
    "the steps alone, nothing else",
    rounds.map(({ least, plain }) => ({ ours: least.delivered, baseline: plain })),
    goal,
    perSecond,
  );
  console.log(`\n${table([judged, other, bound])}\n`);
  const median = (pick: (round: Measured) => number) => spreadOf(rounds.map(pick)).median;
  console.log(`handed over ${perSecond(median(({ handedOver }) => handedOver))} meanwhile`);
  console.log(`posted again: ${rounds.reduce((sum, { repeats }) => sum + repeats, 0)}`);
  const used = (of: (round: Measured) => CpuSeconds): string => {
    const sum = median((round) => Object.values(of(round)).reduce((all, one) => all + one, 0));
    const parts = Object.keys(rounds[0] === undefined ? {} : of(rounds[0])).map(
      (name) => `${name} ${median((round) => of(round)[name] ?? 0).toFixed(0)}`,
    );
    return `${sum.toFixed(0)} (${parts.join(", ")})`;
  };
  console.log(`CPU microseconds a reply: ${used(({ cpuMicros }) => cpuMicros)}`);
  console.log(`of the steps alone: ${used(({ least }) => least.cpuMicros)}`);
  return isMet(judged);
}

await runBench(WHOLE_RUN_MS, async (opened) => {
  const flags = readFlags(process.argv.slice(2));
  return report(await measureAll(opened, flags), flags.sizes);
});
