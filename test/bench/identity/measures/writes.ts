import { interleave } from "../../shared/ratios.ts";
import { comparison, perSecond, type Row } from "../../shared/row.ts";
import type { Sizes } from "../sizes.ts";
import type { World } from "../world/world.ts";

const IN_FLIGHT = 256;
const POOL_SIZE = 16;
/** Each side has keys of its own, in the same tables. */
const OURS = { first: 0, count: 1_000 };
const THEIRS = { first: 1_000, count: 1_000 };

/** (b): begin, started and ended of whole turns, against one statement and one commit for each write. */
export async function durableWrites(
  { load, small }: World,
  { rounds, roundMs, warmUpMs }: Sizes,
): Promise<Row[]> {
  const { target } = small.service;
  const ours = async (forMs: number) =>
    (await load({ kind: "lifecycle", target, keys: OURS, inFlight: IN_FLIGHT, forMs })).perSecond;
  const database = { url: small.databaseUrl, poolSize: POOL_SIZE, target, keys: THEIRS };
  const theirs = async (forMs: number) =>
    (await load({ kind: "compare-and-set", database, inFlight: IN_FLIGHT, forMs })).perSecond;
  await ours(warmUpMs);
  await theirs(warmUpMs);
  const measured = await interleave(
    rounds,
    () => ours(roundMs),
    () => theirs(roundMs),
  );
  const what = `(b) lifecycle writes : compare-and-set through a pool of ${POOL_SIZE}, ${IN_FLIGHT} in flight`;
  return [comparison(what, measured, { atLeast: 2 }, perSecond)];
}
