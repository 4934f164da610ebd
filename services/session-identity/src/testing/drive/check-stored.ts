import { expect } from "vitest";
import type { Facts, KeyFacts } from "../../model/facts.ts";
import type { Stored, StoredKey } from "./stored.ts";

/** The rows say what the contract says, and nothing ever went back (G1, G2). */
export function checkStored(before: Stored, after: Stored, facts: Facts): void {
  expect(new Set(after.keys.map((key) => key.session_key))).toEqual(new Set(facts.keys.keys()));
  for (const row of after.keys) {
    const key = facts.keys.get(row.session_key);
    if (key === undefined) throw new Error("looked at above");
    expect(shown(row)).toEqual(expectedRow(key, facts));
    const earlier = before.keys.find((each) => each.session_key === row.session_key);
    if (earlier !== undefined) checkGrowth(earlier, row);
  }
  checkGenerations(before, after);
  const states = [...facts.replies].map(([delivery, { state }]) => [delivery, state]);
  expect(after.replies).toEqual(Object.fromEntries(states));
}

function shown(row: StoredKey) {
  return {
    generation: row.generation,
    epoch: row.run_epoch,
    holder: row.active_run_id ?? "",
    begun: row.active_begin_generation,
    oldestRunnable: row.oldest_runnable_generation,
    oldestDeliverable: row.oldest_deliverable_generation,
  };
}

function expectedRow(key: KeyFacts, facts: Facts) {
  const { generation, epoch, holder, oldestRunnable, oldestDeliverable } = key;
  const begun = facts.runs.get(holder)?.begun ?? null;
  return { generation, epoch, holder, begun, oldestRunnable, oldestDeliverable };
}

const GROWING = [
  "generation",
  "run_epoch",
  "revision",
  "oldest_runnable_generation",
  "oldest_deliverable_generation",
] as const;

function checkGrowth(before: StoredKey, after: StoredKey): void {
  for (const name of GROWING) expect(after[name], name).toBeGreaterThanOrEqual(before[name]);
}

/** One id for each generation from 1 to the one that stands, none twice, none ever changed. */
function checkGenerations(before: Stored, after: Stored): void {
  const ids = after.generations.map(({ session_id: id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const key of after.keys) {
    const own = after.generations.filter(({ session_key: name }) => name === key.session_key);
    expect(own.map(({ generation }) => generation)).toEqual(
      Array.from({ length: key.generation }, (_, n) => n + 1),
    );
    expect(own.at(-1)?.session_id).toBe(key.session_id);
  }
  for (const known of before.generations) {
    expect(after.generations).toContainEqual(expect.objectContaining(placeOf(known)));
  }
}

function placeOf({ session_key, generation, session_id }: Stored["generations"][number]) {
  return { session_key, generation, session_id };
}
