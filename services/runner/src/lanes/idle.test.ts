import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
import type { Replica } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

function statementsOf(replica: Replica): number {
  return [...replica.statements().values()].reduce((sum, count) => sum + count, 0);
}

/** Statements of a replica over so many sweeps, and the seconds that they took. */
async function watched(replica: Replica, sweeps: number) {
  const swept = (): number => replica.statements().get("runner_stale_turns") ?? 0;
  const before = { statements: statementsOf(replica), swept: swept(), ms: performance.now() };
  await eventually(() => swept() >= before.swept + sweeps);
  return {
    statements: statementsOf(replica) - before.statements,
    seconds: (performance.now() - before.ms) / 1_000,
  };
}

test("an idle replica sends no more statements than its bound, also while a caller waits elsewhere", async () => {
  await using world = await worlds.start();
  const [idle, busy] = [await world.replica(), await world.replica()];
  await applyMain(busy);
  const quiet = await watched(idle, 4);
  expect(quiet.statements / quiet.seconds).toBeLessThanOrEqual(LIMITS.idleStatementsPerSecond);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const first = new Attached(busy, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  const waits = new Attached(idle, { submit: turnFor(world, "two") });
  await eventually(() => waits.kinds.includes("queued"));
  const waiting = await watched(idle, 3);
  // One poll for all that are followed here, and once a second the position.
  const polls = 1_000 / LIMITS.tailPollMs + 4;
  expect(waiting.statements / waiting.seconds).toBeLessThanOrEqual(
    LIMITS.idleStatementsPerSecond + polls,
  );
  held.open();
  await Promise.all([first.ended, waits.ended]);
});
