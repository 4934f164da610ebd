import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { Disposition, OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { SessionBusySchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { LanekeeperError } from "@lanekeeper/rpc";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, said, TENANT, turnFor, user } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

async function started() {
  const world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  return { world, replica };
}

async function transcript(replica: Awaited<ReturnType<typeof started>>["replica"], key = KEY) {
  const { messages } = await replica.client.listMessages({
    session: { case: "sessionKey", value: key },
  });
  return messages.map(({ message }) => (message === undefined ? "" : textOf(message)));
}

async function refusal(work: Promise<unknown>): Promise<LanekeeperError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof LanekeeperError)) throw new Error("no refusal", { cause: error });
  return error;
}

test.concurrent("a turn is answered, told event by event, and stands in the transcript", async () => {
  const { world, replica } = await started();
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
  const { world, replica } = await started();
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
  const { world, replica } = await started();
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
  const { world, replica } = await started();
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

test.concurrent("the same request joins its turn, other content under its key is refused", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const submit = turnFor(world, "once", { idempotencyKey: "key-1" });
  const first = new Attached(replica, { submit });
  await first.ended;
  const again = new Attached(replica, { submit });
  const ended = await again.ended;
  expect(again.turnId).toBe(first.turnId);
  expect(again.events[0]?.event).toMatchObject({ value: { disposition: Disposition.JOINED } });
  expect(ended.reply && textOf(ended.reply)).toBe("echo: once");
  expect(again.text).toBe("echo: once");
  expect(world.model.asked.length).toBe(1);
  const other = turnFor(world, "twice", { idempotencyKey: "key-1" });
  expect((await refusal(replica.client.submitTurn(other))).reason).toBe("IDEMPOTENCY_MISMATCH");
  const fingerprint = submit.fingerprint ?? new Uint8Array();
  const found = await replica.client.findTurn({ idempotencyKey: "key-1", fingerprint });
  expect(found.turn?.turnId).toBe(first.turnId);
});

test.concurrent("a door that repeats its own submission is told what it was told first; a client's retry has joined", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const submit = turnFor(world, "once", { idempotencyKey: "minted", keyIsGenerated: true });
  const told = async (more: object) =>
    (await replica.client.submitTurn({ ...submit, ...more })).disposition;
  expect(await told({})).toBe(Disposition.STARTED);
  expect(await told({})).toBe(Disposition.STARTED);
  expect(await told({ clientRetryCount: 1 })).toBe(Disposition.JOINED);
  expect(world.model.asked.length).toBeLessThanOrEqual(1);
});

test.concurrent("twenty racers with one key are one turn", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const submit = turnFor(world, "race", { idempotencyKey: "race" });
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => replica.client.submitTurn(submit)),
  );
  expect(new Set(answers.map(({ turnId }) => turnId)).size).toBe(1);
  expect(answers.filter(({ disposition }) => disposition !== Disposition.JOINED).length).toBe(1);
});

test.concurrent("reject refuses a busy lane, names its holder and stores nothing", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const first = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  const rejected = turnFor(world, "two", { onConflict: OnConflict.REJECT, idempotencyKey: "two" });
  const error = await refusal(replica.client.submitTurn(rejected));
  expect(error.reason).toBe("SESSION_BUSY");
  expect(error.retryAfterMs).toBeGreaterThan(0);
  const detail = error.detail(SessionBusySchema);
  expect(detail?.holder?.runId).toBe(world.identity.holder(TENANT, KEY));
  expect(detail?.holder?.turnId).toBe(first.turnId);
  held.open();
  await first.ended;
  const accepted = await eventually(() =>
    replica.client.submitTurn(rejected).catch(() => undefined),
  );
  expect(accepted.disposition).toBe(Disposition.STARTED);
});

test.concurrent("a full lane refuses with QUEUE_FULL and says its bound", async () => {
  const { world, replica } = await started();
  await using _ = world;
  await applyMain(replica, { maxWaitingTurns: 1 });
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const first = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  await replica.client.submitTurn(turnFor(world, "two"));
  const error = await refusal(replica.client.submitTurn(turnFor(world, "three")));
  expect(error.reason).toBe("QUEUE_FULL");
  expect(error.metadata["max_waiting_turns"]).toBe("1");
  held.open();
  await first.ended;
});

test.concurrent("interrupt stops the active turn, whose input stays, and goes before those that wait", async () => {
  const { world, replica } = await started();
  await using _ = world;
  world.model.behaviour = heldAnswer(new Promise(() => undefined));
  const first = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  const waits = new Attached(replica, { submit: turnFor(world, "waits") });
  await eventually(() => waits.kinds.includes("queued"));
  world.model.behaviour = heldAnswer(Promise.resolve());
  const second = new Attached(replica, {
    submit: turnFor(world, "now", { onConflict: OnConflict.INTERRUPT }),
  });
  await Promise.all([second.ended, waits.ended]);
  expect(await first.ended).toMatchObject({
    state: TurnState.INTERRUPTED,
    errorReason: "TURN_INTERRUPTED",
  });
  expect(await transcript(replica)).toEqual(["one", "now", "held", "waits", "held"]);
});

test.concurrent("an interrupt that comes while the key is asked for does not cost the lane a lease", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const asked = gate();
  const answer = gate();
  world.identity.beforeBeginAnswer = () => {
    asked.open();
    return answer.opened;
  };
  const first = new Attached(replica, { submit: turnFor(world, "one") });
  await asked.opened;
  world.identity.beforeBeginAnswer = undefined;
  const second = new Attached(replica, {
    submit: turnFor(world, "two", { onConflict: OnConflict.INTERRUPT }),
  });
  await eventually(() => second.kinds.includes("accepted"));
  answer.open();
  expect((await first.ended).state).toBe(TurnState.INTERRUPTED);
  expect((await second.ended).state).toBe(TurnState.COMPLETED);
  expect(await transcript(replica)).toEqual(["one", "two", "echo: two"]);
  expect(world.identity.granted.map(({ turnId }) => turnId)).toEqual([first.turnId, second.turnId]);
});

test.concurrent.each([
  ["interrupt", OnConflict.INTERRUPT, ["one", "two", "three", "echo: three"]],
  ["rollback", OnConflict.ROLLBACK, ["three", "echo: three"]],
] as const)(
  "an %s does not wait for one that interrupted before it and has not begun",
  async (_what, onConflict, expected) => {
    const { world, replica } = await started();
    await using _ = world;
    const going = gate();
    const echo = world.model.behaviour;
    // The first takes its time to stop; the second would never end by itself.
    world.model.behaviour = async function* (request) {
      const last = request.messages.at(-1);
      const text = last === undefined ? "" : textOf(last);
      if (text === "two") yield* heldAnswer(new Promise(() => undefined))(request);
      if (text === "one") {
        yield { type: "text", text: "…" };
        await going.opened;
      }
      yield* echo(request);
    };
    const first = new Attached(replica, { submit: turnFor(world, "one") });
    await eventually(() => first.kinds.includes("textDelta"));
    const interrupting = { onConflict: OnConflict.INTERRUPT };
    const second = new Attached(replica, { submit: turnFor(world, "two", interrupting) });
    await eventually(() => second.kinds.includes("queued"));
    const third = new Attached(replica, { submit: turnFor(world, "three", { onConflict }) });
    await eventually(() => third.kinds.includes("queued"));
    going.open();
    expect((await third.ended).state).toBe(TurnState.COMPLETED);
    expect((await first.ended).state).toBe(TurnState.INTERRUPTED);
    expect(await second.ended).toMatchObject({
      state: TurnState.INTERRUPTED,
      errorReason: "TURN_INTERRUPTED",
    });
    expect(await transcript(replica)).toEqual(expected);
  },
);

test.concurrent("rollback discards what the active turn was told", async () => {
  const { world, replica } = await started();
  await using _ = world;
  world.model.behaviour = heldAnswer(new Promise(() => undefined));
  const first = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  const hold = gate();
  hold.open();
  world.model.behaviour = heldAnswer(hold.opened, "here");
  const second = new Attached(replica, {
    submit: turnFor(world, "two", { onConflict: OnConflict.ROLLBACK }),
  });
  expect((await first.ended).state).toBe(TurnState.INTERRUPTED);
  expect((await second.ended).state).toBe(TurnState.COMPLETED);
  expect(await transcript(replica)).toEqual(["two", "here"]);
});

test.concurrent("coalesce joins the last waiting turn, and each caller gets its outcome", async () => {
  const { world, replica } = await started();
  await using _ = world;
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const first = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => first.kinds.includes("textDelta"));
  const host = new Attached(replica, {
    submit: turnFor(world, "two", { onConflict: OnConflict.COALESCE }),
  });
  await eventually(() => host.kinds.includes("queued"));
  const guest = new Attached(replica, {
    submit: turnFor(world, "three", { onConflict: OnConflict.COALESCE }),
  });
  await eventually(() => guest.kinds.includes("accepted"));
  held.open();
  const [hostEnd, guestEnd] = await Promise.all([host.ended, guest.ended]);
  expect(guestEnd.state).toBe(TurnState.COMPLETED);
  expect(guestEnd.intoTurnId).toBe(host.turnId);
  expect(guestEnd.reply).toEqual(hostEnd.reply);
  expect(await transcript(replica)).toEqual(["one", "held", "two", "three", "held"]);
  const { turn } = await replica.client.getTurn({ turnId: guest.turnId });
  expect(turn?.state).toBe(TurnState.COALESCED);
  expect(turn?.intoTurnId).toBe(host.turnId);
});

test.concurrent("a system turn waits behind persons, and is served after eight of them", async () => {
  const { world, replica } = await started();
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
  const { world, replica } = await started();
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
  const { world, replica } = await started();
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
  const { world, replica } = await started();
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
  const { world, replica } = await started();
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
