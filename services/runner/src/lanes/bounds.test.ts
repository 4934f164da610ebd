import { Disposition, OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import type { ModelEvent, ModelRequest } from "../models/model.ts";
import { textOf } from "../domain/message-text.ts";
import { type Gate, gate } from "../testing/gate.ts";
import { end, toolCall } from "../testing/model-double.ts";
import { Attached, turnFor } from "../testing/requests.ts";
import type { Replica, World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

const model = { provider: { case: "scripted" as const, value: {} } };

interface Bounds {
  readonly agents: Readonly<Record<string, number>>;
  readonly tenant?: number;
}

async function apply(replica: Replica, { agents, tenant = 0 }: Bounds): Promise<void> {
  await replica.client.applyAgents({
    agents: Object.entries(agents).map(([agentId, maxConcurrentRuns]) => ({
      agentId,
      model,
      maxConcurrentRuns,
      tools: ["sessions_send"],
    })),
    maxConcurrentRuns: tenant,
  });
}

/** A model that answers a turn once its gate is open, and tells which turns it was asked in which order. */
class Gates {
  readonly order: string[] = [];
  readonly #gates = new Map<string, Gate>();
  running = 0;
  most = 0;

  constructor(world: World) {
    world.model.behaviour = (request) => this.#answer(request);
  }

  async *#answer({ messages, signal }: ModelRequest): AsyncIterable<ModelEvent> {
    const last = messages.at(-1);
    const text = last === undefined ? "" : textOf(last);
    this.order.push(text);
    this.running += 1;
    this.most = Math.max(this.most, this.running);
    try {
      await Promise.race([
        this.of(text).opened,
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        }),
      ]);
      yield { type: "text", text: `did ${text}` };
      yield end();
    } finally {
      this.running -= 1;
    }
  }

  of(text: string): Gate {
    const found = this.#gates.get(text) ?? gate();
    this.#gates.set(text, found);
    return found;
  }
}

function attach(world: World, replica: Replica, text: string, agentId = "main"): Attached {
  return new Attached(replica, {
    submit: turnFor(world, text, { key: `agent:${agentId}:${text}` }),
  });
}

/** Accepted one after the other, so that their order is known. */
async function attachAll(world: World, replicas: readonly Replica[], texts: readonly string[]) {
  const all: Attached[] = [];
  for (const [n, text] of texts.entries()) {
    const replica = replicas[n % replicas.length] as Replica;
    const attached = attach(world, replica, text);
    await eventually(() => attached.kinds.includes("accepted"));
    all.push(attached);
  }
  return all;
}

test.concurrent("an agent's bound holds over replicas, and lanes are served in the order of acceptance", async () => {
  await using world = await worlds.start();
  const replicas = [await world.replica(), await world.replica()];
  const gates = new Gates(world);
  await apply(replicas[0] as Replica, { agents: { main: 2 } });
  const texts = Array.from({ length: 8 }, (_, n) => `t${n}`);
  const all = await attachAll(world, replicas, texts);
  await eventually(() => gates.running === 2);
  for (const [n, text] of texts.entries()) {
    await eventually(() => gates.order.length >= Math.min(n + 2, texts.length));
    gates.of(text).open();
    expect((await (all[n] as Attached).ended).state).toBe(TurnState.COMPLETED);
  }
  expect(gates.most).toBe(2);
  expect(gates.order.toSorted()).toEqual(texts);
  // Two run at once, so that neighbours may change places, and nobody waits longer than that.
  for (const [n, text] of gates.order.entries()) {
    expect(Math.abs(n - texts.indexOf(text))).toBeLessThanOrEqual(1);
  }
});

test.concurrent("who would be refused for a busy lane is told where nobody holds it yet", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  const gates = new Gates(world);
  await apply(replica, { agents: { main: 1 } });
  const first = attach(world, replica, "first");
  await eventually(() => gates.running === 1);
  const waits = attach(world, replica, "waits");
  await eventually(() => waits.kinds.includes("accepted"));
  const rejected = { key: "agent:main:waits", onConflict: OnConflict.REJECT };
  await expect(replica.client.submitTurn(turnFor(world, "x", rejected))).rejects.toMatchObject({
    reason: "SESSION_BUSY",
    message: "a turn waits in the session's lane",
    metadata: { run_id: "", depth: "1" },
  });
  for (const text of ["first", "waits"]) gates.of(text).open();
  await Promise.all([first.ended, waits.ended]);
});

test.concurrent("a tenant's bound holds over its agents; another tenant has its own", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  const gates = new Gates(world);
  await apply(replica, { agents: { main: 0, ops: 1 }, tenant: 2 });
  const first = attach(world, replica, "first", "ops");
  await eventually(() => gates.running === 1);
  const same = attach(world, replica, "same", "ops");
  await eventually(() => same.kinds.includes("accepted"));
  const other = attach(world, replica, "other");
  await eventually(() => gates.running === 2);
  expect(gates.order).toEqual(["first", "other"]);
  const last = attach(world, replica, "last");
  await eventually(() => last.kinds.includes("queued"));
  const target = {
    case: "session" as const,
    value: world.identity.ref("t2", "agent:main:elsewhere"),
  };
  await replica.client.applyAgents({ agents: [{ agentId: "main", model }] }, { tenant: "t2" });
  const elsewhere = new Attached(
    replica,
    { submit: turnFor(world, "elsewhere", { target }) },
    { tenant: "t2" },
  );
  await eventually(() => gates.order.includes("elsewhere"));
  gates.of("other").open();
  // The older waits for its agent's slot; the tenant's goes to who can use it.
  await eventually(() => gates.order.includes("last"));
  expect(gates.order).not.toContain("same");
  gates.of("first").open();
  await eventually(() => gates.order.includes("same"));
  for (const text of ["same", "last", "elsewhere"]) gates.of(text).open();
  await Promise.all([first, same, other, last, elsewhere].map(({ ended }) => ended));
  expect(gates.most).toBe(3);
});

test.concurrent("the slots of a replica that died count until its lease is over; then its turns go on within the bound", async () => {
  await using world = await worlds.start();
  const [a, b] = [await world.replica({ leaseMs: 1_500 }), await world.replica({ leaseMs: 1_500 })];
  const gates = new Gates(world);
  await apply(a, { agents: { main: 1 } });
  const dying = attach(world, a, "dying");
  await eventually(() => gates.running === 1);
  const waits = attach(world, b, "waits");
  await eventually(() => waits.kinds.includes("queued"));
  a.kill();
  const again = new Attached(b, { turnId: dying.turnId });
  await eventually(() => gates.order.length === 2);
  const { rows } = await world.db.query<{ isOver: boolean }>(
    `SELECT bool_and(expire_time < clock_timestamp()) AS "isOver" FROM run_slots WHERE replica = $1`,
    [a.name],
  );
  expect(rows).toEqual([{ isOver: true }]);
  // The call that the dead replica made may go on here, and is none of a run that counts.
  const most = gates.running;
  gates.most = most;
  gates.of("waits").open();
  gates.of("dying").open();
  expect((await again.ended).state).toBe(TurnState.COMPLETED);
  expect((await waits.ended).state).toBe(TurnState.COMPLETED);
  expect(gates.order.toSorted()).toEqual(["dying", "dying", "waits"]);
  expect(gates.most).toBe(most);
});

test.concurrent("a turn that waits for another gives its slot back, and gets it before a new turn does", async () => {
  await using world = await worlds.start();
  const [a, b] = [await world.replica(), await world.replica()];
  await apply(a, { agents: { main: 1 } });
  const asked: string[] = [];
  const child = gate();
  const extra = gate();
  world.model.behaviour = async function* ({ messages }) {
    const last = messages.at(-1);
    const text = last === undefined ? "" : textOf(last);
    asked.push(text);
    if (text === "parent") {
      yield toolCall(
        "c1",
        "sessions_send",
        JSON.stringify({ session_key: "child", message: "ping", wait: true }),
      );
    } else {
      if (text === "ping") await child.opened;
      if (text === "extra") await extra.opened;
      yield { type: "text", text: `did ${text}` };
    }
    yield end();
  };
  const parent = attach(world, a, "parent");
  await eventually(() => asked.includes("ping"));
  const first = attach(world, b, "extra");
  await eventually(() => first.kinds.includes("queued"));
  const second = attach(world, b, "second");
  await eventually(() => second.kinds.includes("accepted"));
  child.open();
  extra.open();
  expect((await parent.ended).state).toBe(TurnState.COMPLETED);
  await Promise.all([first.ended, second.ended]);
  // The parent goes on at the latest with the second slot that is freed.
  expect(asked.indexOf("")).toBeLessThan(asked.indexOf("second"));
});

test.concurrent("a turn without a session runs within the bound or is refused", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  const gates = new Gates(world);
  await apply(replica, { agents: { main: 1 } });
  const target = { case: "statelessAgentId" as const, value: "main" };
  const first = new Attached(replica, { submit: turnFor(world, "one", { target }) });
  await eventually(() => gates.running === 1);
  await expect(replica.client.submitTurn(turnFor(world, "two", { target }))).rejects.toMatchObject({
    reason: "RATE_LIMITED",
    metadata: { bound: "max_concurrent_runs" },
  });
  gates.of("one").open();
  await first.ended;
  gates.of("two").open();
  const again = await eventually(() =>
    replica.client.submitTurn(turnFor(world, "two", { target })).catch(() => undefined),
  );
  expect(again.turnId).not.toBe("");
  await eventually(async () => {
    const { turn } = await replica.client.getTurn({ turnId: again.turnId });
    return turn?.state === TurnState.COMPLETED;
  });
});

test.concurrent("who repeats the request of a turn without a session joins it, though no other may run", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  const gates = new Gates(world);
  await apply(replica, { agents: { main: 1 } });
  const target = { case: "statelessAgentId" as const, value: "main" };
  const submit = turnFor(world, "one", { target, keyIsGenerated: true });
  const first = new Attached(replica, { submit });
  await eventually(() => gates.running === 1 && first.turnId !== "");
  const joined = { turnId: first.turnId, disposition: Disposition.JOINED };
  expect(await replica.client.submitTurn({ ...submit, clientRetryCount: 1 })).toMatchObject(joined);
  // And without its key, once its own caller was cut off.
  await replica.client.reportCutOff({ turnId: first.turnId });
  const retry = turnFor(world, "one", { target, keyIsGenerated: true, clientRetryCount: 1 });
  expect(await replica.client.submitTurn(retry)).toMatchObject(joined);
  gates.of("one").open();
  expect((await first.ended).state).toBe(TurnState.COMPLETED);
});

test.concurrent("where nothing is bounded no slot is asked for", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await apply(replica, { agents: { main: 0 } });
  for (const text of ["one", "two"]) await attach(world, replica, text).ended;
  const statements = [...replica.statements().keys()].filter((name) => name.includes("slot"));
  expect(statements).toEqual([]);
});
