import { SessionBusySchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { LanekeeperError } from "@lanekeeper/rpc";
import { expect, test } from "vitest";
import type { RunnerDeps } from "../deps.ts";
import { TurnSteps } from "../store/runs/turn-steps.ts";
import { newTurn, StoredTurns } from "../testing/stored-turns.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import { admit } from "./admission.ts";

const worlds = testWorlds();

test("a lane that changes whenever it is asked refuses with who holds it, for how long, and when to come again", async () => {
  await using world = await worlds.start();
  const stored = new StoredTurns(new TurnSteps(world.db));
  const { held } = await stored.activeTurn();
  let asked = 0;
  // Full at each asking, and with room at each look at why.
  const steps = {
    admit: async () => {
      asked += 1;
      return undefined;
    },
  };
  const deps = { db: world.db, steps } as unknown as RunnerDeps;
  const options = { claimRunId: undefined, hasCaller: false, maxWaiting: 200 };
  const refused: unknown = await admit(deps, newTurn(held.sessionKey), options).catch((e) => e);
  if (!(refused instanceof LanekeeperError)) throw refused;
  expect(asked).toBe(5);
  expect(refused).toMatchObject({ reason: "SESSION_BUSY", retryAfterMs: 100 });
  expect(refused.metadata).toEqual({
    ...{ bound: "admission_attempts", limit: "5" },
    ...{ run_id: held.runId, depth: "0" },
  });
  const detail = refused.detail(SessionBusySchema);
  expect(detail).toMatchObject({ depth: 0, holder: { runId: held.runId, turnId: held.turnId } });
  expect(detail?.heartbeatAge).toBeDefined();
});
