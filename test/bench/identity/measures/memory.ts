import { spreadOf } from "../../shared/ratios.ts";
import { mebibytes, type Row } from "../../shared/row.ts";
import type { World } from "../world/world.ts";

const IN_FLIGHT = 256;
/** Looks at the memory of the service while it resolves every key once. */
const SLICES = 20;
const MIB = 1_048_576;
/** Of the second half over the first half's end: what a collection is late by, but no leak. */
const FLAT = 1.1;

/** (e): resident memory while and after every key is resolved once. */
export async function memory(world: World): Promise<Row[]> {
  const { service, keys } = await world.large();
  const count = Math.ceil(keys / SLICES);
  const resident: number[] = [];
  for (let first = 0; first < keys; first += count) {
    const slice = { first, count: Math.min(count, keys - first), order: "each-once" } as const;
    const { target } = service;
    await world.load({ kind: "resolve", target, keys: slice, inFlight: IN_FLIGHT });
    resident.push((await service.residentBytes()) / MIB);
  }
  return rows(resident, keys);
}

/** A collection falls where it falls, so five looks stand for the half and five for the end. */
function rows(resident: readonly number[], keys: number): Row[] {
  const half = resident.slice(SLICES / 2 - 5, SLICES / 2);
  const end = resident.slice(-5);
  const atHalf = spreadOf(half).median;
  const atEnd = spreadOf(end);
  const resolved = keys.toLocaleString("en");
  return [
    {
      what: `(e) resident memory of the service after ${resolved} keys`,
      ...{ ours: mebibytes(atEnd.median), baseline: "" },
      ...{ judged: atEnd, unit: "MiB", goal: { atMost: 300 } },
    },
    {
      what: "(e) and flat: at the end : at half of them",
      ...{ ours: mebibytes(atEnd.median), baseline: mebibytes(atHalf) },
      ...{ judged: spreadOf(end.map((each) => each / atHalf)), unit: "x", goal: { atMost: FLAT } },
    },
  ];
}
