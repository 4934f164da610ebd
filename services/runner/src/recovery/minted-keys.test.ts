import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { mintedAtMs, type CanonicalKey } from "@lanekeeper/session-key";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { LIMITS } from "../limits.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import { answers, parentOf, turnsOf } from "../testing/subagents.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import type { Replica, World } from "../testing/world.ts";
import { forgetMintedKeys } from "./minted-keys.ts";

const worlds = testWorlds();
const TOOLS = { tools: ["sessions_spawn"] };

/** A subagent that came and went, whose parent waited for it. */
async function spawned(world: World, replica: Replica) {
  world.model.behaviour = parentOf(answers, true);
  const parent = new Attached(replica, { submit: turnFor(world, "spawn task") });
  const { reply } = await parent.ended;
  const said = reply === undefined ? "" : textOf(reply);
  const receipt = JSON.parse(/\{.*\}/.exec(said)?.[0] ?? "{}");
  return { parentTurnId: parent.turnId, said, key: String(receipt.session_key) };
}

const isStored = async ({ db }: World, table: string, key: string) =>
  (await db.query(`SELECT FROM ${table} WHERE session_key = $1`, [key])).rowCount > 0;

/** Makes it due, in place of waiting. */
const age = (world: World, ms = LIMITS.mintedLookMs + 1_000) =>
  world.db.query("UPDATE minted_keys SET look_time = look_time - $1 * interval '1 ms'", [ms]);

const sweep = ({ context }: Replica) => forgetMintedKeys(context.deps, () => false);

test.concurrent("a subagent's lane goes once its key has gone, and what was said there and to its parent can still be read", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  const { key, said, parentTurnId } = await spawned(world, replica);
  expect(said).toContain('"reply":"42"');
  const parent = await replica.client.getTurn({ turnId: parentTurnId });
  const children = await turnsOf(replica, key);
  const messages = await replica.client.listMessages({
    session: { case: "sessionKey", value: key },
  });
  expect(messages.messages.length).toBeGreaterThan(0);

  world.identity.forget(TENANT, key);
  // Not before its time.
  await sweep(replica);
  expect(await isStored(world, "lanes", key)).toBe(true);
  await age(world);
  await sweep(replica);
  expect(await isStored(world, "lanes", key)).toBe(false);
  expect(await isStored(world, "minted_keys", key)).toBe(false);
  expect(await isStored(world, "lanes", KEY)).toBe(true);

  expect(await replica.client.getTurn({ turnId: parentTurnId })).toEqual(parent);
  expect(await turnsOf(replica, key)).toEqual(children);
  const again = await replica.client.listMessages({ session: { case: "sessionKey", value: key } });
  expect(again.messages).toEqual(messages.messages);
});

test.concurrent("while a subagent's key is there, or nobody can say so, its lane stays, and is looked at again a day later", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  const { key } = await spawned(world, replica);
  await age(world);
  await sweep(replica);
  expect(await isStored(world, "lanes", key)).toBe(true);
  world.identity.forget(TENANT, key);
  await sweep(replica);
  expect(await isStored(world, "lanes", key)).toBe(true);

  await age(world, LIMITS.mintedAgainMs + 1_000);
  world.identity.isDown = true;
  await expect(sweep(replica)).rejects.toThrow();
  expect(await isStored(world, "lanes", key)).toBe(true);
  world.identity.isDown = false;
  await age(world, LIMITS.mintedAgainMs + 1_000);
  await sweep(replica);
  expect(await isStored(world, "lanes", key)).toBe(false);
});

test.concurrent("a turn that was accepted for a subagent whose key goes meanwhile fails and says so; its lane goes after it", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  const { key } = await spawned(world, replica);
  const submit = turnFor(world, "more", { key });
  world.identity.forget(TENANT, key);
  const late = new Attached(replica, { submit: { ...submit, turnClass: TurnClass.SYSTEM } });
  expect(await late.ended).toMatchObject({ state: TurnState.FAILED, errorReason: "NOT_FOUND" });
  await age(world);
  await eventually(async () => {
    await sweep(replica);
    await age(world, LIMITS.mintedAgainMs + 1_000);
    return !(await isStored(world, "lanes", key));
  });
});

test.concurrent("a lane in which a turn waits stays, whatever became of its key", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  const { key } = await spawned(world, replica);
  world.identity.forget(TENANT, key);
  await world.db.query("UPDATE lanes SET depth = 1 WHERE session_key = $1", [key]);
  await age(world);
  await sweep(replica);
  expect(await isStored(world, "lanes", key)).toBe(true);
  expect(await isStored(world, "minted_keys", key)).toBe(true);
});

test.concurrent("a subagent's key tells when its parent's turn was accepted, and each task has one of its own", async () => {
  await using world = await worlds.start();
  const first = await world.replica();
  await applyMain(first, TOOLS);
  const before = Date.now();
  const one = await spawned(world, first);
  const mintedMs = mintedAtMs(one.key as CanonicalKey) ?? 0;
  expect(mintedMs).toBe(Number.parseInt(one.parentTurnId.replace("-", "").slice(0, 12), 16));
  expect(mintedMs).toBeGreaterThanOrEqual(before);
  const two = await spawned(world, first);
  expect(two.key).not.toBe(one.key);
});
