import fc from "fast-check";
import { expect, test } from "vitest";
import { newTenant } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { Asker } from "../testing/drive/ask.ts";
import { checkStored } from "../testing/drive/check-stored.ts";
import { directDoor } from "../testing/drive/direct-door.ts";
import type { Door } from "../testing/drive/door.ts";
import { explainRace } from "../testing/drive/explain-race.ts";
import { type Move, move } from "../testing/drive/moves.ts";
import { racedReplicas } from "../testing/drive/raced-replicas.ts";
import { SessionIds } from "../testing/drive/session-ids.ts";
import { Story } from "../testing/drive/story.ts";
import { readStored } from "../testing/drive/stored.ts";
import { startReplica } from "../testing/identity.ts";

const database = testDatabase();

/** A lease of 300 s runs out in it. */
const LAPSE_MS = 420_000;

/** A call of a race, at one replica or, as a caller who asks again does, at both. */
interface Racer {
  readonly move: Move;
  readonly at: readonly (0 | 1)[];
}

const racer: fc.Arbitrary<Racer> = fc.record({
  move,
  at: fc.constantFrom<readonly (0 | 1)[]>([0], [1], [0, 1]),
});
const race = fc.record({
  prelude: fc.array(move, { maxLength: 8, size: "max" }),
  lapseMs: fc.constantFrom(0, LAPSE_MS),
  racers: fc.array(racer, { minLength: 2, maxLength: 3 }),
});

async function tell(story: Story, asker: Asker, door: Door, moves: readonly Move[]): Promise<void> {
  for (const made of moves) {
    const call = story.plan(made);
    if (call === undefined) continue;
    await asker.ask(door, call);
    story.take(call);
  }
}

test("whatever the order of their statements, calls at two replicas are answered as if one after another", async () => {
  const { contexts, clock, db, scheduled } = racedReplicas(database);
  const doors = [directDoor(contexts[0]), directDoor(contexts[1])] as const;
  const cli = (await startReplica(database.open())).client("cli");
  await fc.assert(
    fc.asyncProperty(race, fc.scheduler(), async ({ prelude, lapseMs, racers }, scheduler) => {
      const tenant = await newTenant(cli);
      const story = new Story();
      const asker = new Asker(tenant, new SessionIds(), () => clock.nowMs());
      await tell(story, asker, doors[0], prelude);
      clock.advance(lapseMs);
      story.wait(lapseMs);
      const work = racers.flatMap(({ move: made, at }) => {
        const call = story.plan(made);
        if (call === undefined) return [];
        return at.map((n) => async () => ({ call, seen: await asker.ask(doors[n], call) }));
      });
      const before = await readStored(db, tenant);
      const raced = await scheduled(scheduler, work);
      const facts = explainRace(story.facts, raced);
      if (facts === undefined) expect.fail(`no order explains ${JSON.stringify(raced)}`);
      checkStored(before, await readStored(db, tenant), facts);
    }),
    { numRuns: 150, seed: 20_240_504, unbiased: true },
  );
});
