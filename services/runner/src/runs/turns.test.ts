import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { Disposition, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { Attached, KEY, said, turnFor, user } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import { transcript } from "../testing/reading.ts";

const worlds = testWorlds();

test.concurrent("a turn is answered, told event by event, and stands in the transcript", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  const attached = new Attached(replica, { submit: turnFor(world, "hello") });
  const ended = await attached.ended;
  expect(ended.state).toBe(TurnState.COMPLETED);
  expect(ended.reply && textOf(ended.reply)).toBe("echo: hello");
  expect(ended.finishReason).toBe("stop");
  expect(ended.usage).toMatchObject({ inputTokens: 3n, outputTokens: 2n });
  const kinds = attached.kinds.filter((kind, at) => kind !== attached.kinds[at - 1]);
  expect(kinds).toEqual(["accepted", "runBegun", "textDelta", "ended"]);
  expect(attached.text).toBe("echo: hello");
  const numbers = attached.events.slice(1).map(({ streamSeq }) => streamSeq);
  expect(numbers).toEqual(numbers.map((_, at) => BigInt(at + 1)));
  const { messages } = await replica.client.listMessages({
    session: { case: "sessionKey", value: KEY },
  });
  expect(
    messages.map((row) => [row.seq, row.principal, row.message && textOf(row.message)]),
  ).toEqual([
    [1n, "p1", "hello"],
    [2n, "", "echo: hello"],
  ]);
});

test.concurrent("who wants the answer whole is not told its pieces", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  const attached = new Attached(
    replica,
    { submit: turnFor(world, "hello") },
    { wholeAnswer: true },
  );
  const { reply } = await attached.ended;
  expect(reply && textOf(reply)).toBe("echo: hello");
  expect(attached.kinds).toEqual(["accepted", "runBegun", "ended"]);
});

test.concurrent("who wants the answer whole is told its place with `accepted` alone", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened, "held one");
  const first = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  const submit = turnFor(world, "two");
  const told = new Attached(replica, { submit });
  await eventually(() => told.kinds.includes("queued"));
  const whole = new Attached(replica, { submit }, { wholeAnswer: true });
  await eventually(() => whole.kinds.includes("accepted"));
  held.open();
  await Promise.all([told.ended, whole.ended]);
  expect(whole.events[0]?.event).toMatchObject({ value: { position: 1 } });
  expect(whole.kinds).toEqual(["accepted", "runBegun", "ended"]);
});

test.concurrent("a double tap is answered in the order of acceptance, each seeing what came before", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened, "held one");
  const first = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  const second = new Attached(replica, { submit: turnFor(world, "two") });
  await eventually(() => second.kinds.includes("queued"));
  held.open();
  expect((await first.ended).state).toBe(TurnState.COMPLETED);
  expect((await second.ended).state).toBe(TurnState.COMPLETED);
  expect(second.kinds.slice(0, 2)).toEqual(["accepted", "queued"]);
  expect(world.model.shown(1)).toEqual(["user: one", "assistant: held one", "user: two"]);
  expect(world.model.mostRunning).toBe(1);
  expect(await transcript(replica)).toEqual(["one", "held one", "two", "held one"]);
});

test.concurrent("a system turn waits behind persons, and is served after eight of them", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const first = new Attached(replica, { submit: turnFor(world, "p0") });
  await eventually(() => first.kinds.includes("textDelta"));
  const system = new Attached(replica, { submit: turnFor(world, "system", { turnClass: 2 }) });
  await eventually(() => system.kinds.includes("queued"));
  for (let count = 1; count <= 9; count++)
    await replica.client.submitTurn(turnFor(world, `p${count}`));
  held.open();
  await eventually(async () => (await transcript(replica)).length === 22);
  const order = (await transcript(replica)).filter((text) => text !== "held");
  expect(order).toEqual(["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "system", "p8", "p9"]);
});

test.concurrent("a client that resends its history adds only what is new", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  const history = [said(Role.USER, "before"), said(Role.ASSISTANT, "seeded")];
  const first = turnFor(world, "one", { messages: [...history, user("one")] });
  await new Attached(replica, { submit: first }).ended;
  const messages = [...history, user("one"), said(Role.ASSISTANT, "echo: one"), user("two")];
  await new Attached(replica, { submit: turnFor(world, "two", { messages }) }).ended;
  expect(await transcript(replica)).toEqual([
    "before",
    "seeded",
    "one",
    "echo: one",
    "two",
    "echo: two",
  ]);
});

test.concurrent("cancel ends a waiting turn at once and an active one by its run", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  world.model.behaviour = heldAnswer(new Promise(() => undefined));
  const active = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => active.kinds.includes("textDelta"));
  const waiting = new Attached(replica, { submit: turnFor(world, "two") });
  await eventually(() => waiting.kinds.includes("queued"));
  const { turn } = await replica.client.cancelTurn({ turnId: waiting.turnId, note: "not needed" });
  expect(turn?.state).toBe(TurnState.CANCELLED);
  expect(await waiting.ended).toMatchObject({
    state: TurnState.CANCELLED,
    errorMessage: "the turn was cancelled: not needed",
  });
  await replica.client.cancelTurn({ turnId: active.turnId, note: "stuck" });
  await replica.client.cancelTurn({ turnId: active.turnId });
  expect(await active.ended).toMatchObject({
    state: TurnState.CANCELLED,
    errorReason: "TURN_CANCELLED",
    errorMessage: "the turn was cancelled: stuck",
  });
  expect(await transcript(replica)).toEqual(["one"]);
});

test.concurrent("a turn without a session runs at once and leaves no transcript", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  const submit = turnFor(world, "alone", { target: { case: "statelessAgentId", value: "main" } });
  const attached = new Attached(replica, { submit });
  const ended = await attached.ended;
  expect(ended.state).toBe(TurnState.COMPLETED);
  expect(ended.session).toBeUndefined();
  expect(attached.text).toBe("echo: alone");
  const { turn } = await replica.client.getTurn({ turnId: attached.turnId });
  expect(turn).toMatchObject({ sessionKey: "", disposition: Disposition.STATELESS });
});

test("after fences were raised a turn takes the run ids that session-identity takes, and loses nothing", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  const fromMs = Date.now() + 600_000;
  world.identity.runIdsFromMs = fromMs;
  const asked = ["one", "two", "three"].map(
    (text) => new Attached(replica, { submit: turnFor(world, text) }),
  );
  for (const attached of asked) {
    expect(await attached.ended).toMatchObject({ state: TurnState.COMPLETED });
  }
  expect((await transcript(replica)).length).toBe(6);
  expect(new Set(world.identity.granted.map(({ turnId }) => turnId)).size).toBe(3);
  const { turn } = await replica.client.getTurn({ turnId: asked[0]?.turnId ?? "" });
  expect(turn?.runs.length).toBe(1);
});
