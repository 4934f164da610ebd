import { hasReason } from "@lanekeeper/rpc";
import type fc from "fast-check";
import { expect } from "vitest";
import { newTenant } from "../calls.ts";
import type { TestDatabase } from "../database.ts";
import { startReplica } from "../identity.ts";
import { directDoor } from "./direct-door.ts";
import type { Calls, Door } from "./door.ts";
import { racedReplicas } from "./raced-replicas.ts";

/** Two replicas' operators, and what becomes of calls that are made at once. */
export async function startRace(database: TestDatabase) {
  const { contexts, db, scheduled } = racedReplicas(database);
  const doors = [directDoor(contexts[0]), directDoor(contexts[1])] as const;
  const cli = (await startReplica(database.open())).client("cli");
  return { doors, cli, db, scheduled };
}

export type Race = Awaited<ReturnType<typeof startRace>>;
/** What somebody does, at one replica. */
export type Work = (door: Door, tenant: string) => Promise<unknown>;

/** A granted answer, or the reason that refused it. */
export async function outcome(work: Promise<unknown>): Promise<unknown> {
  try {
    return await work;
  } catch (error) {
    if (hasReason(error)) return error.reason;
    throw error;
  }
}

/** Does the works at once, in turn at one replica and the other, after a prelude that is done alone. */
export async function race(
  { doors, cli, scheduled }: Race,
  scheduler: fc.Scheduler,
  prelude: (calls: Calls, tenant: string) => Promise<unknown>,
  works: readonly Work[],
) {
  const tenant = await newTenant(cli);
  const { ingress } = doors[0];
  await prelude(ingress, tenant);
  const outcomes = await scheduled(
    scheduler,
    works.map((work, n) => () => outcome(work(doors[n % 2 === 0 ? 0 : 1], tenant))),
  );
  return { tenant, ingress, outcomes };
}

export const nothing = () => Promise.resolve();

export const sessionOf: (name: Parameters<Calls["resolveSession"]>[0]) => Work =
  (name) =>
  async ({ ingress }, tenant) =>
    (await ingress.resolveSession(name, { tenant })).session?.ref;

/** The tenant's keys as they are stored. */
export async function rowsOf({ db }: Race, tenant: string) {
  const { rows } = await db.query<{
    session_key: string;
    session_id: string | null;
    alias_of: string | null;
    moved_to: string | null;
  }>("select * from session_keys where tenant = $1 order by session_key", [tenant]);
  return rows;
}

/** One hop: whatever a key leads to leads nowhere. */
export async function expectOneHop(started: Race, tenant: string): Promise<void> {
  const rows = await rowsOf(started, tenant);
  const leads = new Map(rows.map((row) => [row.session_key, row.alias_of ?? row.moved_to]));
  for (const target of leads.values()) {
    if (target !== null) expect(leads.get(target)).toBeNull();
  }
}

export const raw = (value: string) => ({ name: { case: "rawKey", value } as const });

/** Few, since each awaits every statement; the scheduler's seed tells which orders. */
export const RUNS = { numRuns: 20, seed: 20_240_505 };
