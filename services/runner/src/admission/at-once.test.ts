import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { expect, test } from "vitest";
import { applyMain, Attached, said, turnFor, user } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

const COUNT = 60;

test.concurrent.each([
  ["say one thing each", []],
  ["resend their history", [user("hello"), said(Role.ASSISTANT, "hi")]],
])(
  "callers of one lane who come at once and %s are admitted by few statements, and answered in lane order",
  async (_what, history) => {
    await using world = await worlds.start();
    const replica = await world.replica();
    await applyMain(replica);
    const callers = Array.from({ length: COUNT }, (_, n) => {
      const messages = [...history, user(`m${n}`)];
      return new Attached(replica, { submit: turnFor(world, `m${n}`, { messages }) });
    });
    const ended = await Promise.all(callers.map((caller) => caller.ended));
    expect(ended).toHaveLength(COUNT);
    const admissions = [...replica.statements()]
      .filter(([name]) => name.startsWith("runner_insert_l"))
      .reduce((sum, [, count]) => sum + count, 0);
    expect(admissions).toBeGreaterThan(0);
    expect(admissions).toBeLessThan(COUNT / 4);
    const { rows } = await world.db.query<{ turn_id: string }>(
      "SELECT turn_id FROM turns ORDER BY lane_seq",
    );
    const inLaneOrder = rows.map(({ turn_id }) => turn_id);
    expect(world.identity.endings.map(({ turnId }) => turnId)).toEqual(inLaneOrder);
    expect(new Set(callers.map(({ turnId }) => turnId))).toEqual(new Set(inLaneOrder));
  },
);
