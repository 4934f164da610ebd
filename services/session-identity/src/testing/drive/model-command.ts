import type fc from "fast-check";
import { expect } from "vitest";
import type { Query } from "../../store/db.ts";
import { Asker } from "./ask.ts";
import { checkStored } from "./check-stored.ts";
import type { DbClock } from "./db-clock.ts";
import { differs, Records } from "./differs.ts";
import type { Door } from "./door.ts";
import type { Move } from "./moves.ts";
import type { SessionIds } from "./session-ids.ts";
import type { Story } from "./story.ts";
import { readStored, type Stored } from "./stored.ts";

/** Two tenants, of whom each has keys, runs and requests of the same names (G14). */
export type Stories = readonly [Story, Story];

/** The service as it is: two replicas on one database. */
export interface Service {
  readonly doors: readonly [Door, Door];
  readonly tenants: readonly [string, string];
  readonly ids: SessionIds;
  readonly clock: DbClock;
  readonly query: Query;
  readonly records: readonly [Records, Records];
  /** What the tenants had in the database after the last call. */
  stored: readonly [Stored, Stored];
}

/** One call to one of the replicas, whose answer and whose rows are what the contract says. */
export class CallCommand implements fc.AsyncCommand<Stories, Service> {
  readonly #tenant: 0 | 1;
  readonly #replica: 0 | 1;
  readonly #move: Move;

  constructor(tenant: 0 | 1, replica: 0 | 1, move: Move) {
    this.#tenant = tenant;
    this.#replica = replica;
    this.#move = move;
  }

  check(stories: Readonly<Stories>): boolean {
    return stories[this.#tenant].plan(this.#move) !== undefined;
  }

  async run(stories: Stories, service: Service): Promise<void> {
    const { query, ids, clock } = service;
    const story = stories[this.#tenant];
    const tenant = service.tenants[this.#tenant];
    const call = story.plan(this.#move);
    if (call === undefined) throw new Error("checked before");
    const before = service.stored;
    const asker = new Asker(tenant, ids, () => clock.nowMs());
    const seen = await asker.ask(service.doors[this.#replica], call);
    const expected = story.take(call);
    expect(differs(expected, seen), JSON.stringify(call)).toBeUndefined();
    expect(service.records[this.#tenant].agrees(expected.record, seen.whole), "a repeat").toBe(
      true,
    );
    const after = await readBoth(query, service.tenants);
    service.stored = after;
    if (!expected.writes) expect(after[this.#tenant].digest).toBe(before[this.#tenant].digest);
    expect(after[1 - this.#tenant]).toEqual(before[1 - this.#tenant]);
    checkStored(before[this.#tenant], after[this.#tenant], story.facts);
  }

  toString(): string {
    return `tenant ${this.#tenant} at replica ${this.#replica}: ${JSON.stringify(this.#move)}`;
  }
}

/** Time goes by for everybody. */
export class WaitCommand implements fc.AsyncCommand<Stories, Service> {
  readonly #ms: number;

  constructor(ms: number) {
    this.#ms = ms;
  }

  check(): boolean {
    return true;
  }

  async run(stories: Stories, { clock }: Service): Promise<void> {
    clock.advance(this.#ms);
    for (const story of stories) story.wait(this.#ms);
  }

  toString(): string {
    return `${this.#ms} ms go by`;
  }
}

/** What both tenants have. */
export async function readBoth(
  query: Query,
  [one, other]: Service["tenants"],
): Promise<Service["stored"]> {
  return Promise.all([readStored(query, one), readStored(query, other)]);
}
