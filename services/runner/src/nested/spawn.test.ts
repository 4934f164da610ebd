import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { Disposition, OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { ModelError } from "../models/model-error.ts";
import { gate } from "../testing/gate.ts";
import { type Behaviour, end, toolCall } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, turnFor } from "../testing/requests.ts";
import {
  answers,
  deliverTo,
  lastSaid,
  parentOf,
  replyOf,
  turnsOf,
  waitsFor,
} from "../testing/subagents.ts";
import type { Replica, World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import { accept } from "../rpc/accept.ts";
import type { NewLaneTurn } from "../store/admission/new-turn.ts";
import { submitNested } from "./nested-send.ts";

const worlds = testWorlds();

const TOOLS = { tools: ["sessions_spawn", "sessions_send"] };

test.concurrent("a subagent's answer comes through delivery as a turn of the session that sent it, once", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  const { handed, submit } = deliverTo(world, replica);
  const done = gate();
  world.model.behaviour = parentOf(waitsFor(done.opened), false);
  const parent = new Attached(replica, { submit: turnFor(world, "spawn task") });
  const ended = await parent.ended;
  done.open();
  const receipt = JSON.parse(/\{.*\}/.exec(ended.reply ? textOf(ended.reply) : "")?.[0] ?? "{}");
  expect(receipt.session_key).toMatch(/^agent:main:subagent:[0-9a-f-]{36}$/);
  await eventually(async () => (await replyOf(replica, 1)) !== "");
  expect(await replyOf(replica, 1)).toBe(
    `heard: The subagent ${receipt.session_key} (turn ${receipt.turn_id}) has answered:\n42`,
  );
  expect(handed.map(({ disposition }) => disposition)).toEqual([Disposition.STARTED]);
  // Delivery asks again, under another name too: nothing more comes of it.
  const again = { turnId: receipt.turn_id, text: "42", parentKey: KEY };
  expect(await submit(again)).toMatchObject({
    turnId: handed[0]?.turnId,
    disposition: Disposition.JOINED,
  });
  // A dead letter that somebody redrives days later: the request itself has long been forgotten.
  await world.db.query("DELETE FROM idempotency");
  expect(await submit(again)).toMatchObject({ turnId: handed[0]?.turnId });
  await replica.context.sweeper.sweepOnce();
  expect((await turnsOf(replica, KEY)).length).toBe(2);
  const [child] = await turnsOf(replica, receipt.session_key);
  expect(child).toMatchObject({ turnClass: 2, parentTurnId: parent.turnId, callChain: [KEY] });
});

test.concurrent("a parent that waits has the answer as its tool's result, and no turn comes of it", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  const { handed } = deliverTo(world, replica);
  world.model.behaviour = parentOf(answers, true);
  const ended = await new Attached(replica, { submit: turnFor(world, "spawn task") }).ended;
  expect(ended.reply && textOf(ended.reply)).toContain('"reply":"42"');
  await eventually(() => handed.length === 1);
  await replica.context.sweeper.sweepOnce();
  // Delivery may come before the tool has its result: then what it brings is tied to the parent's turn.
  const [parent, ...others] = await turnsOf(replica, KEY);
  const state = TurnState.COALESCED;
  expect(others).toMatchObject(
    handed
      .filter(({ disposition }) => disposition === Disposition.QUEUED)
      .map(({ turnId }) => ({ turnId, state, intoTurnId: parent?.turnId })),
  );
  const { lane } = await replica.client.getLane({ sessionKey: KEY });
  expect(lane?.depth).toBe(0);
});

test.concurrent("an answer that delivery brings while the parent still waits is tied to the parent's turn", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a, TOOLS);
  // The parent's replica hears of nothing: it dies in its wait, and the next run finds the answer there.
  const done = gate();
  world.model.behaviour = parentOf(waitsFor(done.opened), true);
  const { turnId } = await a.client.submitTurn(turnFor(world, "spawn task"));
  await eventually(() => world.delivery.routes.size === 1 && world.model.asked.length === 2);
  const [childKey] = [...world.delivery.routes.keys()];
  a.kill();
  const { handed } = deliverTo(world, b);
  world.model.behaviour = parentOf(answers, true);
  // The child's lane alone changes hands; the parent is still held by who died.
  await world.db.query("UPDATE turns SET renewed_at = 'epoch' WHERE session_key = $1", [childKey]);
  world.identity.expireLeases();
  await eventually(() => handed.length === 1);
  expect(handed[0]?.disposition).toBe(Disposition.QUEUED);
  await world.expireLeases();
  const ended = await new Attached(b, { turnId }).ended;
  expect(ended.reply && textOf(ended.reply)).toContain('"reply":"42"');
  const told = handed[0]?.turnId ?? "";
  await eventually(async () => {
    const { turn } = await b.client.getTurn({ turnId: told });
    return turn?.state === TurnState.COALESCED && turn.intoTurnId === turnId;
  });
  const { lane } = await b.client.getLane({ sessionKey: KEY });
  expect(lane?.depth).toBe(0);
});

test.concurrent("of a subagent that answers without words its session is told too, once, and no reply stays", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  const { handed } = deliverTo(world, replica);
  const saysNothing: Behaviour = async function* () {
    yield end();
  };
  world.model.behaviour = parentOf(saysNothing, false);
  await new Attached(replica, { submit: turnFor(world, "spawn task") }).ended;
  await eventually(async () => (await replyOf(replica, 1)) !== "");
  expect(await replyOf(replica, 1)).toContain("has answered without words");
  await replica.context.sweeper.sweepOnce();
  expect((await turnsOf(replica, KEY)).length).toBe(2);
  expect(handed).toEqual([]);
  expect((await world.db.query("SELECT FROM outbox")).rowCount).toBe(0);
});

test.concurrent.each([
  ["failed", "FAILED"],
  ["was cancelled", "CANCELLED"],
] as const)("of a subagent that %s its session is told too, once", async (_what, state) => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  const fails: Behaviour = async function* (request) {
    if (state === "FAILED") throw new ModelError("MODEL_FAILED", "no luck");
    yield { type: "text", text: "…" };
    await new Promise((_resolve, reject) => {
      request.signal.addEventListener("abort", () => reject(request.signal.reason), { once: true });
    });
  };
  world.model.behaviour = parentOf(fails, false);
  const ended = await new Attached(replica, { submit: turnFor(world, "spawn task") }).ended;
  const receipt = JSON.parse(/\{.*\}/.exec(ended.reply ? textOf(ended.reply) : "")?.[0] ?? "{}");
  if (state === "CANCELLED") await replica.client.cancelTurn({ turnId: receipt.turn_id });
  await eventually(async () => (await replyOf(replica, 1)) !== "");
  expect(await replyOf(replica, 1)).toContain(`gave no answer: its turn ended as ${state}`);
  await replica.context.sweeper.sweepOnce();
  expect((await turnsOf(replica, KEY)).length).toBe(2);
});

test.concurrent("results bypass the bound of waiting turns", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, { ...TOOLS, maxWaitingTurns: 1 });
  const { handed } = deliverTo(world, replica);
  const [done, over] = [gate(), gate()];
  const others = parentOf(waitsFor(done.opened), false);
  world.model.behaviour = async function* (request) {
    if (lastSaid(request) !== "keep busy") return yield* others(request);
    yield { type: "text", text: "busy" };
    await over.opened;
    yield end();
  };
  await new Attached(replica, { submit: turnFor(world, "spawn task") }).ended;
  const busy = new Attached(replica, { submit: turnFor(world, "keep busy") });
  await eventually(() => busy.text === "busy");
  await replica.client.submitTurn(turnFor(world, "waits"));
  await expect(replica.client.submitTurn(turnFor(world, "too many"))).rejects.toMatchObject({
    reason: "QUEUE_FULL",
  });
  done.open();
  await eventually(() => handed.length === 1);
  expect(handed[0]?.disposition).toBe(Disposition.QUEUED);
  over.open();
});

test.concurrent("nobody's message becomes a part of a result that waits: it may yet be its tool's", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  const { handed } = deliverTo(world, replica);
  const [done, over] = [gate(), gate()];
  const others = parentOf(waitsFor(done.opened), false);
  world.model.behaviour = async function* (request) {
    if (lastSaid(request) !== "keep busy") return yield* others(request);
    yield { type: "text", text: "busy" };
    await over.opened;
    yield end();
  };
  await new Attached(replica, { submit: turnFor(world, "spawn task") }).ended;
  const busy = new Attached(replica, { submit: turnFor(world, "keep busy") });
  await eventually(() => busy.text === "busy");
  done.open();
  await eventually(() => handed.length === 1);
  const alike = { onConflict: OnConflict.COALESCE, turnClass: TurnClass.SYSTEM };
  const { disposition } = await replica.client.submitTurn(turnFor(world, "tick", alike));
  expect(disposition).toBe(Disposition.QUEUED);
  over.open();
  await busy.ended;
});

test.concurrent.each([
  ["becomes a turn of the session that waited", false, "has answered:\n42"],
  [
    "of a session that was reset is withheld from the session that waited, and that is told so",
    true,
    "has answered, and its session was reset before the answer was sent here: the answer does not come.",
  ],
])("a reply after the wait %s", async (_what, isReset, told) => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  const [done, parentDone] = [gate(), gate()];
  world.model.behaviour = async function* (request) {
    if (lastSaid(request) === "ping") {
      yield* waitsFor(done.opened)(request);
    } else {
      yield { type: "text", text: `heard: ${lastSaid(request)}` };
      if (lastSaid(request) === "go") await parentDone.opened;
      yield end();
    }
  };
  const parent = new Attached(replica, { submit: turnFor(world, "go") });
  await eventually(() => parent.text !== "");
  const [run] = replica.context.runs.ofKey("t1", KEY);
  const from = contextOf(world, parent.turnId, run?.runId ?? "");
  const message = {
    from,
    key: "agent:main:other",
    agentId: undefined,
    text: "ping",
    wait: true,
    onConflict: OnConflict.ENQUEUE,
  };
  await expect(submitNested(nestedOf(replica), message, 1)).rejects.toMatchObject({
    reason: "WAIT_EXPIRED",
  });
  if (isReset) {
    world.identity.afterEnded = (key) => {
      if (key === "agent:main:other") world.identity.rotate("t1", key);
    };
  }
  parentDone.open();
  done.open();
  await eventually(async () => (await replyOf(replica, 1)) !== "");
  const [child] = await turnsOf(replica, "agent:main:other");
  expect(await replyOf(replica, 1)).toBe(
    `heard: The session agent:main:other (turn ${child?.turnId}) ${told}`,
  );
});

test.concurrent("so does the answer of a turn that the message was handed to", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  const [done, parentDone] = [gate(), gate()];
  const key = "agent:main:other";
  world.model.behaviour = async function* (request) {
    if (lastSaid(request) === "busy") {
      yield* waitsFor(done.opened)(request);
    } else {
      yield { type: "text", text: `heard: ${lastSaid(request)}` };
      if (lastSaid(request) === "go") await parentDone.opened;
      yield end();
    }
  };
  const host = new Attached(replica, { submit: turnFor(world, "busy", { key }) });
  const parent = new Attached(replica, { submit: turnFor(world, "go") });
  await eventually(() => host.text !== "" && parent.text !== "");
  const [run] = replica.context.runs.ofKey("t1", KEY);
  const from = contextOf(world, parent.turnId, run?.runId ?? "");
  const onConflict = OnConflict.STEER;
  const message = { from, key, agentId: undefined, text: "ping", wait: true, onConflict };
  await expect(submitNested(nestedOf(replica), message, 1)).rejects.toMatchObject({
    reason: "WAIT_EXPIRED",
    message: expect.stringContaining("its answer will come as a message"),
  });
  parentDone.open();
  await parent.ended;
  done.open();
  await eventually(async () => (await replyOf(replica, 1)) !== "");
  const [, sent] = await turnsOf(replica, key);
  expect(sent).toMatchObject({ state: TurnState.COALESCED, intoTurnId: host.turnId });
  expect(await replyOf(replica, 1)).toBe(
    `heard: The session ${key} (turn ${sent?.turnId}) has answered:\n42\n\nheard: ping`,
  );
  await replica.context.sweeper.sweepOnce();
  expect((await turnsOf(replica, KEY)).length).toBe(2);
});

test.concurrent("a run that was taken over sends nothing and spawns nothing", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  world.model.behaviour = parentOf(answers, false);
  const parent = new Attached(replica, { submit: turnFor(world, "go") });
  await parent.ended;
  const zombie = contextOf(world, parent.turnId, "00000000-0000-7000-8000-000000000000");
  const onConflict = OnConflict.ENQUEUE;
  const send = { from: zombie, key: "agent:main:other", agentId: undefined, text: "x", onConflict };
  for (const wait of [true, false]) {
    await expect(submitNested(nestedOf(replica), { ...send, wait })).rejects.toThrow("lost");
  }
  expect(await turnsOf(replica, "agent:main:other")).toEqual([]);
  expect((await world.db.query("SELECT FROM child_turns")).rowCount).toBe(0);
  expect((await world.db.query("SELECT FROM wait_edges")).rowCount).toBe(0);
});

test.concurrent("to stop a session from which the chain came would deadlock, and is refused", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  world.model.behaviour = async function* (request) {
    const said = lastSaid(request);
    const [, onConflict] = /^try (\w+)/.exec(said) ?? [];
    if (onConflict !== undefined) {
      const args = { session_key: KEY, message: "x", wait: false, on_conflict: onConflict };
      yield toolCall("c1", "sessions_send", JSON.stringify(args));
    } else {
      yield { type: "text", text: said };
    }
    yield end();
  };
  for (const onConflict of ["interrupt", "rollback", "steer"]) {
    const ended = await new Attached(replica, { submit: turnFor(world, `try ${onConflict}`) })
      .ended;
    expect(ended.reply && textOf(ended.reply)).toContain("WOULD_DEADLOCK");
  }
});

test.concurrent("only delivery may tell of a subagent, and it may do nothing else", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const childTurnId = "00000000-0000-7000-8000-000000000000";
  await expect(
    replica.client.submitTurn(turnFor(world, "x", { childTurnId })),
  ).rejects.toMatchObject({ reason: "PERMISSION_DENIED" });
  await expect(replica.asDelivery.submitTurn(turnFor(world, "x"))).rejects.toMatchObject({
    reason: "INVALID_REQUEST",
  });
  await expect(
    replica.asDelivery.submitTurn(turnFor(world, "x", { childTurnId })),
  ).rejects.toMatchObject({ reason: "NOT_FOUND" });
});

/** What the tools of a replica send with. */
function nestedOf({ context }: Replica) {
  const submit = async (turn: NewLaneTurn) => (await accept(context, turn, false)).turn.turnId;
  return { ...context, submit };
}

function contextOf(world: World, turnId: string, runId: string) {
  return {
    tenant: "t1",
    principal: "p1",
    agentId: "main",
    session: world.identity.ref("t1", KEY),
    turnId,
    runId,
    step: 1,
    callChain: [KEY],
    rootTurnId: turnId,
    nestedTurnsPerRequest: 256,
    traceparent: "",
    contextUse: { usedTokens: 0, budgetTokens: 1 },
    signal: new AbortController().signal,
  };
}
