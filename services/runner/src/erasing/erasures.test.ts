import { Disposition, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { createMetrics } from "@lanekeeper/service";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { runnerMetrics } from "../metrics.ts";
import { LIMITS } from "../limits.ts";
import { Retention } from "../recovery/retention.ts";
import { gate } from "../testing/gate.ts";
import { lookAt, lookUntilDone, rowsWith } from "../testing/erasing.ts";
import { echo, heldAnswer } from "../testing/model-double.ts";
import { refusal, transcript } from "../testing/reading.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import { say } from "../testing/say.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import type { World } from "../testing/world.ts";

const worlds = testWorlds();
const WORD = "marmalade";

const count = async ({ db }: World, table: string, where = "true") =>
  (await db.query(`SELECT FROM ${table} WHERE ${where}`)).rowCount;

test.concurrent("before an erasure is settled all of it goes at once, and nothing is reported as done", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  await say(world, replica, WORD);
  const erasure = world.identity.erase(TENANT, KEY);
  await lookAt(world, replica);
  await lookAt(world, replica);
  expect(await rowsWith(world, WORD)).toEqual({});
  expect(erasure.done).toBe(false);
  expect(await count(world, "lanes")).toBe(1);
  await lookUntilDone(world, replica, erasure);
  expect(await count(world, "lanes")).toBe(0);
});

test.concurrent("a summary that a run stored for the generation which it could not make any more goes too", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  await say(world, replica, "one");
  const erasure = world.identity.erase(TENANT, KEY);
  await world.db.query(
    `INSERT INTO summaries (tenant, session_key, generation, run_id, body, covers_session_id,
       covers_through_seq, create_time)
     SELECT tenant, session_key, 2, gen_random_uuid(), $1, session_id, 1, now() FROM sessions`,
    [WORD],
  );
  await lookUntilDone(world, replica, erasure);
  expect(await rowsWith(world, WORD)).toEqual({});
});

test.concurrent("a turn that is stored after the first look is found by the next", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  await say(world, replica, WORD);
  // Whose door had read the key before.
  const late = turnFor(world, `late ${WORD}`);
  const erasure = world.identity.erase(TENANT, KEY);
  await lookAt(world, replica);
  expect(await rowsWith(world, WORD)).toEqual({});
  const turn = new Attached(replica, { submit: late });
  expect(await turn.ended).toMatchObject({ state: TurnState.SKIPPED, errorReason: "TURN_SKIPPED" });
  expect(Object.keys(await rowsWith(world, WORD))).toContain("turns");
  await lookUntilDone(world, replica, erasure);
  expect(await rowsWith(world, WORD)).toEqual({});
});

test.concurrent("a turn that runs and one that waits end by the reset, and are removed then; until then it is not done", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const runs = new Attached(replica, { submit: turnFor(world, `runs ${WORD}`) });
  await eventually(() => runs.kinds.includes("textDelta"));
  const waits = new Attached(replica, { submit: turnFor(world, `waits ${WORD}`) });
  await eventually(() => waits.kinds.includes("queued"));
  const erasure = world.identity.erase(TENANT, KEY);
  erasure.settled = true;
  expect(await runs.ended).toMatchObject({ state: TurnState.SUPERSEDED });
  expect(await waits.ended).toMatchObject({ state: TurnState.SKIPPED });
  await lookUntilDone(world, replica, erasure);
  expect(await rowsWith(world, WORD)).toEqual({});
});

test.concurrent("turns of a replica that died end once its lease is over; until then the erasure is not done", async () => {
  await using world = await worlds.start();
  const doomed = await world.replica();
  await applyMain(doomed);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const runs = new Attached(doomed, { submit: turnFor(world, `runs ${WORD}`) });
  await eventually(() => runs.kinds.includes("textDelta"));
  const waits = new Attached(doomed, { submit: turnFor(world, `waits ${WORD}`) });
  await eventually(() => waits.kinds.includes("queued"));
  doomed.kill();
  const other = await world.replica();
  const erasure = world.identity.erase(TENANT, KEY);
  erasure.settled = true;
  await lookAt(world, other);
  await lookAt(world, other);
  expect(erasure.done).toBe(false);
  expect(await count(world, "sessions")).toBeLessThanOrEqual(1);
  await world.expireLeases();
  await eventually(async () => (await count(world, "turns", "end_time IS NULL")) === 0);
  await lookUntilDone(world, other, erasure);
  expect(await rowsWith(world, WORD)).toEqual({});
});

test.concurrent("a reply that delivery does not have keeps its turn until it was handed over", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  world.delivery.isDown = true;
  await say(world, replica, WORD, { routeId: "r1" });
  const erasure = world.identity.erase(TENANT, KEY);
  erasure.settled = true;
  await lookAt(world, replica);
  await lookAt(world, replica);
  expect(erasure.done).toBe(false);
  expect(await count(world, "turns")).toBe(1);
  world.delivery.isDown = false;
  await eventually(async () => (await count(world, "outbox")) === 0);
  await lookUntilDone(world, replica, erasure);
  expect(world.delivery.taken.map(({ text }) => text)).toEqual([`echo: ${WORD}`]);
  expect(await rowsWith(world, WORD)).toEqual({});
});

test.concurrent("a repeat of a request whose turn was erased runs nothing, says so, and is forgotten after a day", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  const named = { idempotencyKey: "event-1", fingerprint: new Uint8Array([7]) };
  const submit = { ...turnFor(world, WORD), ...named };
  const first = new Attached(replica, { submit });
  await first.ended;
  await lookUntilDone(world, replica, world.identity.erase(TENANT, KEY));
  const { turnId } = first;
  const asked = world.model.asked.length;
  const gone = { reason: "NOT_FOUND", metadata: { resource_type: "turn", turn_id: turnId } };
  expect(await refusal(replica.client.submitTurn(submit))).toMatchObject(gone);
  const again = { ...turnFor(world, WORD), ...named };
  expect(await refusal(new Attached(replica, { submit: again }).ended)).toMatchObject(gone);
  expect(await refusal(replica.client.findTurn(named))).toMatchObject(gone);
  const other = { ...submit, fingerprint: new Uint8Array([1]) };
  expect(await refusal(replica.client.submitTurn(other))).toMatchObject({
    reason: "IDEMPOTENCY_MISMATCH",
  });
  expect(world.model.asked.length).toBe(asked);
  expect(await count(world, "turns")).toBe(0);

  const day = LIMITS.idempotencyRetentionMs;
  await world.db.query("UPDATE idempotency SET create_time = create_time - $1 * interval '1 ms'", [
    day + 1_000,
  ]);
  const metrics = runnerMetrics(createMetrics("runner", { ofProcess: false }));
  await new Retention({ db: world.db, metrics, keepConversationsMs: undefined }).sweep();
  expect(await count(world, "idempotency")).toBe(0);
  expect((await replica.client.submitTurn(submit)).disposition).toBe(Disposition.STARTED);
});

test.concurrent("a retry without a key, of a caller who was cut off before the erasure, runs nothing; who was answered may say the same again", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  const made = { keyIsGenerated: true };
  const cutOff = new Attached(replica, { submit: turnFor(world, `one ${WORD}`, made) });
  const answered = new Attached(replica, { submit: turnFor(world, `two ${WORD}`, made) });
  await Promise.all([cutOff.ended, answered.ended]);
  await replica.client.reportCutOff({ turnId: cutOff.turnId });
  await lookUntilDone(world, replica, world.identity.erase(TENANT, KEY));
  const retry = { ...made, clientRetryCount: 1 };
  const again = turnFor(world, `one ${WORD}`, retry);
  for (let n = 0; n < 2; n += 1) {
    expect(await refusal(replica.client.submitTurn(again))).toMatchObject({
      reason: "NOT_FOUND",
      metadata: { turn_id: cutOff.turnId },
    });
  }
  const anew = new Attached(replica, { submit: turnFor(world, `two ${WORD}`, retry) });
  expect(await anew.ended).toMatchObject({ state: TurnState.COMPLETED });
  // Asked anew, it is no retry.
  const said = new Attached(replica, { submit: turnFor(world, `one ${WORD}`, made) });
  expect(await said.ended).toMatchObject({ state: TurnState.COMPLETED });
});

test.concurrent("two replicas look at once: all goes, once, and nobody fails", async () => {
  const { world, replica: a } = await worlds.withMain();
  await using _ = world;
  const b = await world.replica();
  const erasures = [];
  for (let n = 0; n < 6; n += 1) {
    const key = `agent:main:of${n}`;
    for (const text of ["one", "two"]) await say(world, a, `${text} ${WORD}`, { key });
    erasures.push(world.identity.erase(TENANT, key));
  }
  for (const erasure of erasures) erasure.settled = true;
  for (let looks = 0; erasures.some(({ done }) => !done); looks += 1) {
    expect(looks).toBeLessThan(10);
    await Promise.all([lookAt(world, a), lookAt(world, b)]);
  }
  expect(await rowsWith(world, WORD)).toEqual({});
  for (const { log } of [a, b])
    expect(log.lines.filter(({ level }) => level === "error")).toEqual([]);
});

const DEATHS = [
  "after runner_hide_in_call_chains",
  "before runner_erase_turns",
  "after runner_erase_turns",
  "after runner_erase_messages",
  "after runner_erase_summaries",
  "after runner_erase_sessions",
  "after runner_lock_erased_lanes",
  "after runner_erase_lanes",
  "before reportErasure",
  "after reportErasure",
];

test.concurrent.each(DEATHS)("a replica dies %s: the next look goes on", async (dieAt) => {
  await using world = await worlds.start();
  const other = await world.replica();
  await applyMain(other);
  await say(world, other, WORD);
  const doomed = await world.replica({ dieAt });
  const erasure = world.identity.erase(TENANT, KEY);
  erasure.settled = true;
  const looked = (async () => {
    while (!doomed.isDead && !erasure.done) await lookAt(world, doomed);
  })();
  await eventually(() => doomed.isDead);
  await Promise.race([looked, Promise.resolve()]);
  await lookUntilDone(world, other, erasure);
  expect(await rowsWith(world, WORD)).toEqual({});
  expect(await count(world, "lanes")).toBe(0);
});

test.concurrent("while session-identity is away, or of the release before, nothing goes, and no error is told", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  await say(world, replica, WORD);
  const erasure = world.identity.erase(TENANT, KEY);
  world.identity.isDown = true;
  await lookAt(world, replica);
  expect(await count(world, "turns")).toBe(1);
  world.identity.isDown = false;
  world.identity.erasures.isOlder = true;
  await lookAt(world, replica);
  expect(await count(world, "turns")).toBe(1);
  const told = replica.log.lines.filter(({ msg }) => /eras/.test(String(msg)));
  expect(told.map(({ level }) => level)).not.toContain("error");
  world.identity.erasures.isOlder = false;
  await lookUntilDone(world, replica, erasure);
  expect(await rowsWith(world, WORD)).toEqual({});
});

test.concurrent("an erasure that fails does not keep the others from being looked at, and more of them than a page are", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  await say(world, replica, WORD);
  const nothing = () =>
    world.identity.erasures.add(TENANT, [{ sessionKey: "agent:main:x", throughGeneration: 1n }]);
  const failing = nothing();
  world.identity.erasures.failing.add(failing.erasureId);
  const before = Array.from({ length: LIMITS.erasuresPage + 5 }, nothing);
  const erasure = world.identity.erase(TENANT, KEY);
  for (const one of world.identity.erasures.all) one.settled = true;
  await lookUntilDone(world, replica, erasure);
  expect(failing.done).toBe(false);
  expect(before.every(({ done }) => done)).toBe(true);
  expect(await rowsWith(world, WORD)).toEqual({});
});

test.concurrent("another tenant's conversation of the same name stays", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  world.model.behaviour = echo;
  await say(world, replica, WORD);
  await world.db.query(
    'INSERT INTO lanes SELECT (jsonb_populate_record(l, \'{"tenant":"t2"}\')).* FROM lanes l',
  );
  await world.db.query(
    'INSERT INTO turns SELECT (jsonb_populate_record(t, \'{"tenant":"t2"}\')).* FROM turns t',
  );
  await world.db.query(
    'INSERT INTO sessions SELECT (jsonb_populate_record(s, \'{"tenant":"t2"}\')).* FROM sessions s',
  );
  await lookUntilDone(world, replica, world.identity.erase(TENANT, KEY));
  for (const table of ["lanes", "turns", "sessions"]) {
    expect([table, await count(world, table)]).toEqual([table, 1]);
  }
  expect(await transcript(replica)).toEqual([]);
});
