import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import type { ModelRequest } from "../models/model.ts";
import { gate } from "../testing/gate.ts";
import { type Behaviour, end, toolCall } from "../testing/model-double.ts";
import { applyMain, Attached, TENANT, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

const TOOLS = { tools: ["sessions_send"] };

function lastSaid({ messages }: ModelRequest): string {
  const content = messages.at(-1)?.parts[0]?.content;
  if (content?.case === "toolResult") return `told ${content.value.text}`;
  return content?.case === "text" ? content.value : "";
}

/** "ask a b c" asks a to ask b to ask c; "tell a …" does not wait. `before` is met before each send. */
function passesOn(before: (key: string) => Promise<void> = async () => undefined): Behaviour {
  return async function* (request) {
    const said = lastSaid(request);
    const [, verb, target, rest = ""] = /^(ask|tell) (\S+) ?(.*)$/.exec(said) ?? [];
    if (target === undefined) {
      yield { type: "text", text: said };
    } else {
      await before(target);
      const message = rest === "" ? "hello" : rest;
      const args = { session_key: `agent:main:${target}`, message, wait: verb === "ask" };
      yield toolCall("c1", "sessions_send", JSON.stringify(args));
    }
    yield end();
  };
}

function asked(text: string, key: string) {
  return [text, { key: `agent:main:${key}` }] as const;
}

test.concurrent.each([
  ["a", "ask a"],
  ["a", "ask b ask a"],
  ["a", "ask b ask c ask d ask a"],
  ["a", "ask b ask c ask b"],
])(
  "within one chain: %s is told %s, and the wait that would close the cycle is refused at once",
  async (key, text) => {
    await using world = await worlds.start();
    const replica = await world.replica();
    await applyMain(replica, TOOLS);
    world.model.behaviour = passesOn();
    const ended = await new Attached(replica, { submit: turnFor(world, ...asked(text, key)) })
      .ended;
    expect(ended.state).toBe(TurnState.COMPLETED);
    expect(ended.reply && textOf(ended.reply)).toContain("WOULD_DEADLOCK");
    expect((await world.db.query("SELECT FROM wait_edges")).rowCount).toBe(0);
  },
);

test.concurrent("a session that sent and does not wait may be asked by whom it sent to", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  world.model.behaviour = passesOn();
  await new Attached(replica, { submit: turnFor(world, ...asked("tell b ask a", "a")) }).ended;
  const sessionKey = "agent:main:b";
  const turn = await eventually(async () => {
    const [found] = (await replica.client.listTurns({ sessionKey })).turns;
    return found?.state === TurnState.COMPLETED ? found : undefined;
  });
  const { turn: whole } = await replica.client.getTurn({ turnId: turn.turnId });
  expect(whole?.reply && textOf(whole.reply)).toContain('"reply":"hello"');
});

test.concurrent("across chains and processes: whoever would wait for one that waits for it is refused at once", async () => {
  await using world = await worlds.start();
  const [one, two] = [await world.replica(), await world.replica()];
  await applyMain(one, TOOLS);
  const [isBusy, mayAsk] = [gate(), gate()];
  world.model.behaviour = passesOn(async (target) => {
    if (target !== "a") return;
    isBusy.open();
    await mayAsk.opened;
  });
  const b = new Attached(two, { submit: turnFor(world, ...asked("ask a", "b")) });
  await isBusy.opened;
  const a = new Attached(one, { submit: turnFor(world, ...asked("ask b", "a")) });
  // a waits for a turn that waits behind b's own.
  await eventually(async () => {
    const edges = await world.db.query("SELECT FROM wait_edges");
    const { lane } = await one.client.getLane({ sessionKey: "agent:main:b" });
    return edges.rowCount === 1 && lane?.depth === 1;
  });
  mayAsk.open();
  const refused = await b.ended;
  expect(refused.reply && textOf(refused.reply)).toContain("WOULD_DEADLOCK");
  const ended = await a.ended;
  expect(ended.reply && textOf(ended.reply)).toContain('"reply":"hello"');
});

test.concurrent("two that begin to wait for each other at once, in two processes: one is refused, or both, and never neither", async () => {
  await using world = await worlds.start();
  const [one, two] = [await world.replica(), await world.replica()];
  await applyMain(one, TOOLS);
  for (let round = 0; round < 8; round++) {
    const [left, right] = [`left${round}`, `right${round}`];
    const [both, arrived] = [gate(), new Set<string>()];
    world.model.behaviour = passesOn(async (target) => {
      arrived.add(target);
      if (arrived.size === 2) both.open();
      await both.opened;
    });
    const ends = await Promise.all([
      new Attached(one, { submit: turnFor(world, ...asked(`ask ${right}`, left)) }).ended,
      new Attached(two, { submit: turnFor(world, ...asked(`ask ${left}`, right)) }).ended,
    ]);
    const texts = ends.map(({ reply }) => (reply === undefined ? "" : textOf(reply)));
    expect(texts.some((text) => text.includes("WOULD_DEADLOCK"))).toBe(true);
    expect(ends.map(({ state }) => state)).toEqual([TurnState.COMPLETED, TurnState.COMPLETED]);
  }
  expect((await world.db.query("SELECT FROM wait_edges")).rowCount).toBe(0);
});

test.concurrent("a merge that leads a wait into a cycle: the wait is refused, and nobody hangs", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  const held = gate();
  const passes = passesOn();
  world.model.behaviour = async function* (request) {
    if (lastSaid(request) === "hold") await held.opened;
    yield* passes(request);
  };
  const ask = (text: string, key: string) =>
    new Attached(replica, { submit: turnFor(world, ...asked(text, key)) });
  const waiting = (key: string) =>
    eventually(async () => {
      const { lane } = await replica.client.getLane({ sessionKey: `agent:main:${key}` });
      return lane?.depth === 1;
    });
  const loser = ask("hold", "loser");
  await eventually(() => loser.kinds.includes("runBegun"));
  const a = ask("ask loser", "a");
  await waiting("loser");
  const survivor = ask("ask a", "survivor");
  await waiting("a");
  // a waits for what waits behind the survivor's turn from now on, and that turn waits for a.
  world.identity.move(TENANT, "agent:main:loser", "agent:main:survivor");
  held.open();
  const refused = await a.ended;
  expect(refused.reply && textOf(refused.reply)).toContain("WOULD_DEADLOCK");
  const ended = await survivor.ended;
  expect(ended.reply && textOf(ended.reply)).toContain('"reply":"hello"');
  expect((await world.db.query("SELECT FROM wait_edges")).rowCount).toBe(0);
});

test.concurrent("a send that is made again after its key was merged into another is known, and has its answer", async () => {
  await using world = await worlds.start();
  const [one, two] = [await world.replica(), await world.replica()];
  await applyMain(one, TOOLS);
  const [held, asking] = [gate(), gate()];
  const passes = passesOn(async () => asking.open());
  world.model.behaviour = async function* (request) {
    if (lastSaid(request) === "hold") await held.opened;
    yield* passes(request);
  };
  const busy = new Attached(two, { submit: turnFor(world, ...asked("hold", "loser")) });
  await eventually(() => busy.kinds.includes("runBegun"));
  const { turnId } = await one.client.submitTurn(turnFor(world, ...asked("ask loser", "a")));
  await eventually(async () => {
    const { lane } = await two.client.getLane({ sessionKey: "agent:main:loser" });
    return lane?.depth === 1;
  });
  one.kill();
  world.identity.move(TENANT, "agent:main:loser", "agent:main:survivor");
  world.identity.expireLease(TENANT, "agent:main:a");
  await world.db.query("UPDATE turns SET renewed_at = 'epoch' WHERE turn_id = $1", [turnId]);
  await eventually(() => two.context.runs.list().some((run) => run.turnId === turnId));
  held.open();
  const { state, reply } = await new Attached(two, { turnId }).ended;
  expect(state).toBe(TurnState.COMPLETED);
  expect(reply && textOf(reply)).toContain('"reply":"hello"');
  const { turns } = await two.client.listTurns({ parentTurnId: turnId });
  expect(turns).toHaveLength(1);
});

test.concurrent("within one chain a wait is refused too where who waits for it was taken over and has not said so again", async () => {
  await using world = await worlds.start();
  const [one, two] = [await world.replica(), await world.replica()];
  await applyMain(one, TOOLS);
  const [isBusy, mayAsk, ready] = [gate(), gate(), gate()];
  world.model.behaviour = passesOn(async (target) => {
    if (target !== "a") return;
    isBusy.open();
    await mayAsk.opened;
  });
  const { turnId } = await one.client.submitTurn(turnFor(world, ...asked("ask b ask a", "a")));
  await isBusy.opened;
  // The successor waits for its servers of tools, and goes on from where the run was then.
  world.toolsReady = ready.opened;
  world.identity.expireLease(TENANT, "agent:main:a");
  await world.db.query("UPDATE turns SET renewed_at = 'epoch' WHERE turn_id = $1", [turnId]);
  await eventually(async () => {
    const { turn } = await two.client.getTurn({ turnId });
    return turn?.runs.length === 2;
  });
  mayAsk.open();
  const [child] = (await two.client.listTurns({ parentTurnId: turnId })).turns;
  await eventually(async () => {
    const { turn } = await two.client.getTurn({ turnId: child?.turnId ?? "" });
    const waits = "SELECT FROM wait_edges WHERE from_key = 'agent:main:b'";
    return turn?.state === TurnState.COMPLETED || (await world.db.query(waits)).rowCount > 0;
  });
  ready.open();
  const { reply } = await new Attached(two, { turnId }).ended;
  expect(reply && textOf(reply)).toContain('"reply":"told WOULD_DEADLOCK');
});

test.concurrent("a run that has its answer and waits for a slot waits for nobody: who waits for it then closes no cycle", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica, TOOLS);
  const [asking, mayAsk, slot] = [gate(), gate(), gate()];
  world.model.behaviour = passesOn(async (target) => {
    if (target !== "b") return;
    asking.open();
    await mayAsk.opened;
  });
  const a = new Attached(replica, { submit: turnFor(world, ...asked("ask b", "a")) });
  await asking.opened;
  const [run] = replica.context.runs.list();
  if (run !== undefined) run.slot = { ...run.slot, reclaim: () => slot.opened };
  mayAsk.open();
  await eventually(async () => {
    const { turns } = await replica.client.listTurns({ parentTurnId: a.turnId });
    return turns[0]?.state === TurnState.COMPLETED;
  });
  const b = new Attached(replica, { submit: turnFor(world, ...asked("ask a", "b")) });
  await eventually(async () => {
    const { lane } = await replica.client.getLane({ sessionKey: "agent:main:a" });
    return lane?.depth === 1 || b.kinds.includes("ended");
  });
  slot.open();
  const ended = await b.ended;
  expect(ended.reply && textOf(ended.reply)).toContain('"reply":"hello"');
  expect((await a.ended).state).toBe(TurnState.COMPLETED);
});
