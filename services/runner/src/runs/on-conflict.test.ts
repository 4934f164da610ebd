import { Disposition, OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { SessionBusySchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import { refusal, transcript } from "../testing/reading.ts";

const worlds = testWorlds();

test.concurrent("reject refuses a busy lane, names its holder and stores nothing", async () => {
  const { world, replica } = await worlds.withMain();
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
  const { world, replica } = await worlds.withMain();
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
  const { world, replica } = await worlds.withMain();
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
  const { world, replica } = await worlds.withMain();
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
    const { world, replica } = await worlds.withMain();
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
  const { world, replica } = await worlds.withMain();
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
  const { world, replica } = await worlds.withMain();
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
