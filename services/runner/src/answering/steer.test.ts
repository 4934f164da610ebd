import { Disposition, OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { LIMITS } from "../limits.ts";
import { gate } from "../testing/gate.ts";
import { echo, end, heldAnswer, toolCall } from "../testing/model-double.ts";
import { transcript } from "../testing/reading.ts";
import { endless } from "../testing/held-turn.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

const steer = { onConflict: OnConflict.STEER };
const transport = { case: "http" as const, value: { url: "https://mcp.example.com/mcp" } };
const SERVER = { name: "slow", transport };
test.concurrent("a message handed to the active turn gets another step, and its caller the outcome", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  const held = gate();
  let step = 0;
  world.model.behaviour = (request) => {
    step += 1;
    return heldAnswer(held.opened, `held${step}`)(request);
  };
  const host = new Attached(a, { submit: turnFor(world, "one") });
  await eventually(() => host.kinds.includes("textDelta"));
  const guest = new Attached(b, { submit: turnFor(world, "and two", steer) });
  await eventually(() => guest.kinds.includes("accepted"));
  expect(guest.events[0]?.event).toMatchObject({
    value: { disposition: Disposition.STEERED, intoTurnId: host.turnId },
  });
  held.open();
  const [hostEnd, guestEnd] = await Promise.all([host.ended, guest.ended]);
  expect(hostEnd.reply && textOf(hostEnd.reply)).toBe("held1\n\nheld2");
  expect([host.text, guest.text]).toEqual(["held1\n\nheld2", "held1\n\nheld2"]);
  expect(guestEnd).toMatchObject({ state: TurnState.COMPLETED, intoTurnId: host.turnId });
  expect(world.model.shown(1)).toEqual(["user: one", "assistant: held1", "user: and two"]);
  expect(await transcript(a)).toEqual(["one", "held1", "and two", "held2"]);
  const { turn } = await a.client.getTurn({ turnId: guest.turnId });
  expect(turn?.state).toBe(TurnState.COALESCED);
  const tookIn = async (intoTurnId: string, more: object = {}) =>
    (await a.client.listTurns({ intoTurnId, ...more })).turns.map(({ turnId }) => turnId);
  expect(await tookIn(host.turnId)).toEqual([guest.turnId]);
  expect(await tookIn(guest.turnId)).toEqual([]);
  expect(await tookIn(host.turnId, { sessionKey: "agent:main:other" })).toEqual([]);
  const { lane } = await a.client.getLane({ sessionKey: KEY });
  expect(lane?.depth).toBe(0);
});

test.concurrent.each([
  { where: "its replica", at: "a", servers: [] },
  { where: "another replica, while servers of tools are slow", at: "b", servers: [SERVER] },
] as const)("what is said at $where before the model is asked is told it at once", async (row) => {
  await using world = await worlds.start();
  const replicas = { a: await world.replica(), b: await world.replica() };
  await applyMain(replicas.a, { mcpServers: [...row.servers] });
  const ready = gate();
  world.toolsReady = ready.opened;
  const host = new Attached(replicas.a, { submit: turnFor(world, "one") });
  await eventually(() => host.kinds.includes("runBegun"));
  const guest = await replicas[row.at].client.submitTurn(turnFor(world, "and two", steer));
  expect(guest.disposition).toBe(Disposition.STEERED);
  ready.open();
  expect((await host.ended).state).toBe(TurnState.COMPLETED);
  expect(world.model.asked).toHaveLength(1);
  expect(world.model.shown(0)).toEqual(["user: one", "user: and two"]);
  expect(await transcript(replicas.a)).toEqual(["one", "and two", "echo: and two"]);
  const { turn } = await replicas.a.client.getTurn({ turnId: guest.turnId });
  expect(turn?.state).toBe(TurnState.COALESCED);
});

test.concurrent("a turn that nobody speaks to pays for no look", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  await new Attached(replica, { submit: turnFor(world, "one") }).ended;
  expect(replica.statements().get("runner_activate_one")).toBe(1);
  expect(replica.statements().get("runner_take_steers")).toBeUndefined();
});

test.concurrent("a steered message is a turn again when its host ends otherwise", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  world.model.behaviour = endless;
  const host = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => host.kinds.includes("textDelta"));
  const guest = new Attached(replica, { submit: turnFor(world, "two", steer) });
  await eventually(() => guest.kinds.includes("accepted"));
  const open = gate();
  open.open();
  world.model.behaviour = heldAnswer(open.opened);
  await replica.client.cancelTurn({ turnId: host.turnId });
  expect((await host.ended).state).toBe(TurnState.CANCELLED);
  const ended = await guest.ended;
  expect(ended).toMatchObject({ state: TurnState.COMPLETED, intoTurnId: "" });
  expect(await transcript(replica)).toEqual(["one", "two", "held"]);
});

test.concurrent("a host that died is run again with what it was handed", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  const b = await world.replica();
  await applyMain(a);
  world.model.behaviour = endless;
  const host = new Attached(a, { submit: turnFor(world, "one") });
  await eventually(() => host.kinds.includes("textDelta"));
  const guest = new Attached(b, { submit: turnFor(world, "two", steer) });
  await eventually(() => guest.kinds.includes("accepted"));
  const open = gate();
  open.open();
  world.model.behaviour = heldAnswer(open.opened);
  a.kill();
  await world.expireLeases();
  expect((await guest.ended).state).toBe(TurnState.COMPLETED);
  expect(await transcript(b)).toEqual(["one", "two", "held"]);
});

test.concurrent("a lane without an active turn of the same principal and generation takes it as a turn", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const free = new Attached(replica, { submit: turnFor(world, "free", steer) });
  expect((await free.ended).intoTurnId).toBe("");
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const active = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => active.kinds.includes("textDelta"));
  const other = await replica.client.submitTurn(turnFor(world, "two", steer), { principal: "p2" });
  expect(other.disposition).toBe(Disposition.QUEUED);
  held.open();
  await active.ended;
});

test.concurrent("a steered turn that is cancelled is not told to its host again", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = async function* ({ signal }) {
    yield { type: "text", text: "he" };
    await Promise.race([
      held.opened,
      new Promise((resolve) => signal.addEventListener("abort", resolve)),
    ]);
    yield { type: "text", text: "ld" };
    yield end();
  };
  const host = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => host.kinds.includes("textDelta"));
  const guest = await replica.client.submitTurn(turnFor(world, "two", steer));
  const { turn } = await replica.client.cancelTurn({ turnId: guest.turnId });
  expect(turn?.state).toBe(TurnState.CANCELLED);
  held.open();
  await host.ended;
  expect(await transcript(replica)).toEqual(["one", "held"]);
  expect(world.identity.holder(TENANT, KEY)).toBeUndefined();
});

/** A message that its host has read, and answers once it may. */
async function consumed() {
  const world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const gates = [gate(), gate()] as const;
  world.model.behaviour = (request) =>
    heldAnswer((gates[world.model.asked.length - 1] ?? gates[1]).opened)(request);
  const host = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => host.kinds.includes("textDelta"));
  const { turnId } = await replica.client.submitTurn(turnFor(world, "two", steer));
  gates[0].open();
  await eventually(() => world.model.asked.length === 2);
  expect(world.model.shown(1)).toContain("user: two");
  return { world, replica, host, turnId, answer: () => gates[1].open() };
}

test.concurrent("who cancels a message that its host has read comes too late, is told so, and it was answered", async () => {
  const { world, replica, host, turnId, answer } = await consumed();
  await using _ = world;
  const { turn } = await replica.client.cancelTurn({ turnId });
  expect(turn).toMatchObject({ state: TurnState.QUEUED, intoTurnId: host.turnId });
  answer();
  expect((await host.ended).state).toBe(TurnState.COMPLETED);
  expect(await transcript(replica)).toEqual(["one", "held", "two", "held"]);
  await eventually(async () => {
    const { turn } = await replica.client.getTurn({ turnId });
    return turn?.state === TurnState.COALESCED;
  });
});

test.concurrent("a message that was cancelled too late is not answered either where its host ends without an answer", async () => {
  const { world, replica, host, turnId } = await consumed();
  await using _ = world;
  await replica.client.cancelTurn({ turnId, note: "never mind" });
  await replica.client.cancelTurn({ turnId: host.turnId });
  expect((await host.ended).state).toBe(TurnState.CANCELLED);
  const guest = await new Attached(replica, { turnId }).ended;
  expect(guest).toMatchObject({ state: TurnState.CANCELLED, intoTurnId: "" });
  expect(guest.errorMessage).toBe("the turn was cancelled: never mind");
  expect(world.model.asked).toHaveLength(2);
  const { lane } = await replica.client.getLane({ sessionKey: KEY });
  expect(lane?.depth).toBe(0);
});

test.concurrent("a replica that dies when it has ended a turn: what was handed to it is not overtaken by what comes later", async () => {
  await using world = await worlds.start();
  const doomed = await world.replica({ dieAt: "after runner_finish" });
  const other = await world.replica();
  await applyMain(other);
  world.model.behaviour = endless;
  const host = new Attached(doomed, { submit: turnFor(world, "one") });
  await eventually(() => host.kinds.includes("textDelta"));
  world.model.behaviour = heldAnswer(Promise.resolve());
  const guest = await other.client.submitTurn(turnFor(world, "two", steer));
  await other.client.cancelTurn({ turnId: host.turnId });
  await eventually(() => doomed.isDead);
  const later = new Attached(other, { submit: turnFor(world, "three") });
  const ends = [new Attached(other, { turnId: guest.turnId }).ended, later.ended];
  expect((await Promise.all(ends)).map(({ state }) => state)).toEqual([
    TurnState.COMPLETED,
    TurnState.COMPLETED,
  ]);
  expect(await transcript(other)).toEqual(["one", "two", "held", "three", "held"]);
});

test.concurrent("an answer stands, however often somebody spoke before it was stored; what the model can be asked no more is a turn", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const guests: string[] = [];
  world.model.behaviour = async function* (request) {
    const last = request.messages.at(-1);
    yield { type: "text", text: `to ${last === undefined ? "" : textOf(last)}. ` };
    // Somebody speaks each time just before the answer ends, as long as the turn is the host's.
    if (guests.length < LIMITS.modelCallsPerRun) {
      const submit = turnFor(world, `g${guests.length + 1}`, steer);
      guests.push((await replica.client.submitTurn(submit)).turnId);
    }
    yield end();
  };
  const host = new Attached(replica, { submit: turnFor(world, "one") });
  const ended = await host.ended;
  expect(ended).toMatchObject({ state: TurnState.COMPLETED, errorReason: "" });
  const last = await new Attached(replica, { turnId: guests.at(-1) ?? "" }).ended;
  expect(last).toMatchObject({ state: TurnState.COMPLETED, intoTurnId: "" });
  expect(world.model.asked).toHaveLength(LIMITS.modelCallsPerRun + 1);
  const said = await transcript(replica);
  expect(said).toHaveLength(2 * (LIMITS.modelCallsPerRun + 1));
  expect(said.slice(-4)).toEqual(["g15", "to g15. ", "g16", "to g16. "]);
});

test.concurrent("the call of a client's tool ends its turn as it was told; what was said meanwhile is a turn", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  let guestId = "";
  world.model.behaviour = async function* (request) {
    if (guestId !== "") return yield* echo(request);
    yield toolCall("c1", "weather");
    guestId = (await replica.client.submitTurn(turnFor(world, "hurry", steer))).turnId;
    yield end("tool_calls");
  };
  const parameters = { tools: [{ type: "function", function: { name: "weather" } }] };
  const host = new Attached(replica, { submit: turnFor(world, "weather?", { parameters }) });
  const ended = await host.ended;
  expect(host.kinds.filter((kind) => kind === "toolCall")).toHaveLength(1);
  expect(ended.finishReason).toBe("tool_calls");
  expect(ended.reply?.parts.map(({ content }) => content.case)).toEqual(["toolCall"]);
  const guest = await new Attached(replica, { turnId: guestId }).ended;
  expect(guest).toMatchObject({ state: TurnState.COMPLETED, intoTurnId: "" });
  expect(guest.reply && textOf(guest.reply)).toBe("echo: hurry");
});
