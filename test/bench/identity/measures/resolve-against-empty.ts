import type { Measured } from "../load/jobs.ts";
import { interleave, type Round } from "../../shared/ratios.ts";
import { comparison, milliseconds, perSecond, type Row } from "../../shared/row.ts";
import type { Sizes } from "../sizes.ts";
import type { World } from "../world/world.ts";

const IN_FLIGHT = 64;

/** (a): look-ups in the database, pipelined, against unary calls that do nothing at all. */
export async function resolveThroughput(world: World, sizes: Sizes): Promise<Row[]> {
  const rounds = await against(world, sizes, IN_FLIGHT, (measured) => measured.perSecond);
  const what = `(a) established resolve : empty unary RPC, ${IN_FLIGHT} in flight`;
  return [comparison(what, rounds, { atLeast: 1.5 }, perSecond)];
}

/** (c): what one caller waits who has nobody to share a batch with. */
export async function resolveLatency(world: World, sizes: Sizes): Promise<Row[]> {
  const rounds = await against(world, sizes, 1, (measured) => measured.p50Ms);
  const what = "(c) p50 of established resolve : of empty unary RPC, one caller";
  return [comparison(what, rounds, { atMost: 2 }, milliseconds)];
}

async function against(
  { load, small, emptyTarget }: World,
  { rounds, roundMs, warmUpMs }: Sizes,
  inFlight: number,
  judged: (measured: Measured) => number,
): Promise<readonly Round[]> {
  const { target } = small.service;
  const keys = { first: 0, count: small.keys, order: "random" } as const;
  const resolve = async (forMs: number) =>
    judged(await load({ kind: "resolve", target, keys, inFlight, forMs }));
  const empty = async (forMs: number) =>
    judged(await load({ kind: "empty", target: emptyTarget, inFlight, forMs }));
  await resolve(warmUpMs);
  await empty(warmUpMs);
  return interleave(
    rounds,
    () => resolve(roundMs),
    () => empty(roundMs),
  );
}
