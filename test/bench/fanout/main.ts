// `npm run bench:fanout`: subscribers with a prefix of their own and some without any, while sessions
// change at an even pace. Prints how long they wait to be told, and what that takes of memory. Ends with
// 1 when a bound is passed, with 2 when nothing could be measured.
import { cpus } from "node:os";
import { createDeliveryClient, createIdentityClient } from "@lanekeeper/client";
import type { Disposal } from "@lanekeeper/service";
import { eventually, startConstellation, type TestConstellation } from "@lanekeeper/testing";
import { runBench } from "../shared/bench.ts";
import { changeEvenly, makeSessions, prefixOf } from "./changes.ts";
import { Lags } from "./lags.ts";
import { SIZES } from "./sizes.ts";
import { subscribeAll } from "./subscribers.ts";

const MIB = 1_048_576;

interface Measured {
  readonly filtered: Lags;
  readonly unfiltered: Lags;
  readonly expected: { readonly filtered: number; readonly unfiltered: number };
  readonly outOfOrder: number;
  readonly failures: readonly unknown[];
  readonly joinedMs: number;
  readonly memory: {
    readonly idleMiB: number;
    readonly subscribedMiB: number;
    readonly busyMiB: number;
  };
}

async function measure(opened: Disposal): Promise<Measured> {
  console.error("starting the services and Postgres");
  const lane = opened.use(await startConstellation({ env: { LANEKEEPER_LOG_LEVEL: "warn" } }));
  const defaults = { tenant: "default", principal: "bench" };
  const credential = lane.credential("ingress");
  const identity = createIdentityClient({
    target: lane.targets["session-identity"],
    credential,
    defaults,
  });
  const delivery = createDeliveryClient({ target: lane.targets.delivery, credential, defaults });
  opened.defer(() => identity.$close());
  opened.defer(() => delivery.$close());
  await makeSessions(identity, SIZES.filtered, SIZES.inFlight);

  const idleMiB = await residentMiB(lane);
  const [filtered, unfiltered] = [new Lags(), new Lags()];
  const prefixes = [
    ...Array.from({ length: SIZES.filtered }, (_, n) => prefixOf(n)),
    ...Array.from({ length: SIZES.unfiltered }, () => ""),
  ];
  console.error(`subscribing ${prefixes.length}`);
  const joiningMs = performance.now();
  const subscribers = subscribeAll(delivery, prefixes, (key, generation, isFiltered) => {
    (isFiltered ? filtered : unfiltered).told(key, generation, performance.now());
  });
  opened.defer(() => subscribers.end());
  await subscribers.begun;
  const joinedMs = performance.now() - joiningMs;
  const subscribedMiB = await residentMiB(lane);

  const pace = { count: SIZES.filtered, perSecond: SIZES.changesPerSecond };
  const generations = new Map<number, bigint>();
  console.error("changing sessions");
  await changeEvenly(identity, { ...pace, ms: SIZES.warmUpMs }, () => undefined, generations);
  let asked = 0;
  const onAsk = (change: { sessionKey: string; generation: bigint; askedMs: number }): void => {
    asked += 1;
    for (const lags of [filtered, unfiltered]) {
      lags.ask(change.sessionKey, change.generation, change.askedMs);
    }
  };
  await changeEvenly(identity, { ...pace, ms: SIZES.measuredMs }, onAsk, generations);
  const expected = { filtered: asked, unfiltered: asked * SIZES.unfiltered };
  const isTold = () =>
    filtered.count >= expected.filtered && unfiltered.count >= expected.unfiltered;
  await eventually(isTold, { timeoutMs: 15_000 }).catch(() => undefined);
  const busyMiB = await residentMiB(lane);
  const { failures } = subscribers;
  const memory = { idleMiB, subscribedMiB, busyMiB };
  return {
    filtered,
    unfiltered,
    expected,
    outOfOrder: subscribers.outOfOrder(),
    failures,
    joinedMs,
    memory,
  };
}

async function residentMiB(lane: TestConstellation): Promise<number> {
  const { services } = await lane.state();
  const text = await (await fetch(`${services.delivery.admin}/metrics`)).text();
  const bytes = /^process_resident_memory_bytes\S* (\S+)/m.exec(text)?.[1];
  if (bytes === undefined) throw new Error("delivery reports no resident memory");
  return Number(bytes) / MIB;
}

/** Prints what was measured; gives what passed its bound. */
function report(measured: Measured): readonly string[] {
  const { filtered, unfiltered, expected, memory, joinedMs } = measured;
  const { filtered: own, unfiltered: all, changesPerSecond } = SIZES;
  console.log(`Node ${process.versions.node}, ${cpus().length} cores, everything on this machine`);
  console.log(
    `${own} subscribers of a prefix each, ${all} of everything, ${changesPerSecond} changes/s`,
  );
  console.log(`all joined with their snapshots after ${(joinedMs / 1_000).toFixed(1)} s`);
  console.log(line("of a prefix", filtered, expected.filtered));
  console.log(line("of everything", unfiltered, expected.unfiltered));
  const [without = "", subscribed = "", busy = ""] = Object.values(memory).map((mib) =>
    mib.toFixed(0),
  );
  console.log(
    `delivery: ${without} MiB without them, ${subscribed} MiB with them, ${busy} MiB at the end`,
  );
  return [
    ...(filtered.count < expected.filtered ? ["a subscriber of a prefix missed a change"] : []),
    ...(unfiltered.count < expected.unfiltered
      ? ["a subscriber of everything missed a change"]
      : []),
    ...(measured.outOfOrder > 0
      ? [`${measured.outOfOrder} generations came after newer ones`]
      : []),
    ...(measured.failures.length > 0
      ? [`${measured.failures.length} streams broke: ${String(measured.failures[0])}`]
      : []),
    ...over("lag p99 of a prefix", filtered.percentile(0.99), SIZES.maxLagP99Ms, "ms"),
    ...over("lag p99 of everything", unfiltered.percentile(0.99), SIZES.maxLagP99Ms, "ms"),
    ...over("delivery's memory", memory.busyMiB, SIZES.maxDeliveryMiB, "MiB"),
  ];
}

function line(who: string, lags: Lags, expected: number): string {
  const at = (part: number): string => `${lags.percentile(part).toFixed(0)} ms`;
  return `${who}: told ${lags.count} of ${expected}; lag p50 ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)}`;
}

function over(what: string, value: number, bound: number, unit: string): string[] {
  if (value <= bound) return [];
  return [`${what} is ${value.toFixed(0)} ${unit}, the bound is ${bound} ${unit}`];
}

await runBench(SIZES.wholeRunMs, async (opened) => {
  const problems = report(await measure(opened));
  for (const problem of problems) console.log(`PASSED ITS BOUND: ${problem}`);
  return problems.length === 0;
});
