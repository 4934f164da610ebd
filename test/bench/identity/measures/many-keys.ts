import { interleave } from "../../shared/ratios.ts";
import { comparison, perSecond, type Row } from "../../shared/row.ts";
import type { Sizes } from "../sizes.ts";
import type { Populated, World } from "../world/world.ts";

const IN_FLIGHT = 64;

/** (d): names drawn from many keys, against names drawn from few. */
export async function manyKeys(world: World, { rounds, roundMs, warmUpMs }: Sizes): Promise<Row[]> {
  const { small } = world;
  const large = await world.large();
  const resolve = async ({ service, keys: count }: Populated, forMs: number) => {
    const keys = { first: 0, count, order: "random" } as const;
    const loop = { target: service.target, keys, inFlight: IN_FLIGHT, forMs };
    return (await world.load({ kind: "resolve", ...loop })).perSecond;
  };
  await resolve(large, warmUpMs);
  await resolve(small, warmUpMs);
  const measured = await interleave(
    rounds,
    () => resolve(large, roundMs),
    () => resolve(small, roundMs),
  );
  const [many, few] = [large, small].map(({ keys }) => keys.toLocaleString("en"));
  const what = `(d) established resolve at ${many} keys : at ${few}, ${IN_FLIGHT} in flight`;
  return [comparison(what, measured, { atLeast: 0.8 }, perSecond)];
}
