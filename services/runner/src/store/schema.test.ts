import { afterAll, beforeAll, expect, test } from "vitest";
import { isTerminal, stateCode, TURN_STATES, type TurnStateName } from "../domain/turn-state.ts";
import type { World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();
let world: World;
beforeAll(async () => {
  world = await worlds.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const NAMES = Object.keys(TURN_STATES) as TurnStateName[];

/** Whether the schema's checks let a turn stand in this state with or without an end. */
async function mayStand(state: number, isEnded: boolean): Promise<boolean> {
  const insert = `
    INSERT INTO turns (tenant, turn_id, agent_id, state, turn_class, disposition, on_conflict,
      lane_seq, front, principal, request_id, idempotency_key, trace_id, traceparent, origin,
      route_id, admitted_session_id, admitted_generation, required_generation, accept_time, seed,
      input, parameters, call_chain, replica, run_id, end_time, reply)
    VALUES ('t', gen_random_uuid(), 'main', $1, 1, 1, 1, 1, false, 'p', 'r', 'k', '', '', '', '',
      's', 1, 0, now(), '{}', '{}', '{}', '{}', '', gen_random_uuid(),
      CASE WHEN $2 THEN now() END, '')`;
  return world.db.query(insert, [state, isEnded]).then(
    () => true,
    () => false,
  );
}

test("the checks of the schema are the table of states", async () => {
  for (const name of NAMES) {
    expect([name, await mayStand(stateCode(name), true)]).toEqual([name, isTerminal(name)]);
    expect([name, await mayStand(stateCode(name), false)]).toEqual([name, !isTerminal(name)]);
  }
  for (const code of [0, 10, 11]) expect(await mayStand(code, false)).toBe(false);
});

test("a lane is held by a run for a turn, or by nobody", async () => {
  const insert = `INSERT INTO lanes (tenant, session_key, next_seq, depth, active_turn_id)
    VALUES ('t', 'k', 1, 0, gen_random_uuid())`;
  await expect(world.db.query(insert)).rejects.toThrow("lanes_holder");
});
