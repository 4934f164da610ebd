import { ProgressPhase } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { ManualClock } from "@lanekeeper/service/testing";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { Progress } from "../runs/progress.ts";
import { gate } from "../testing/gate.ts";
import { echo, end, heldAnswer, toolCall } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

test.concurrent("replies reach delivery in lane order, once each, and its outage stops no lane", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  world.delivery.isDown = true;
  const turnIds: string[] = [];
  for (const text of ["one", "two", "three"]) {
    const attached = new Attached(replica, { submit: turnFor(world, text, { routeId: "r1" }) });
    await attached.ended;
    turnIds.push(attached.turnId);
  }
  expect(world.delivery.taken).toEqual([]);
  world.delivery.isDown = false;
  await eventually(() => world.delivery.taken.length === 3);
  expect(world.delivery.taken.map(({ text }) => text)).toEqual([
    "echo: one",
    "echo: two",
    "echo: three",
  ]);
  expect(world.delivery.taken.map(({ requestId }) => requestId)).toEqual(
    turnIds.map((id) => `${id}/1`),
  );
  await eventually(async () => (await world.db.query("SELECT FROM outbox")).rowCount === 0);
});

test.concurrent("people are told that a turn waits and that it runs; a hint that hangs or fails holds nothing up", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const hanging = gate();
  let count = 0;
  world.delivery.onHint = () => {
    count += 1;
    return count === 1 ? hanging.opened : Promise.reject(new Error("no hints here"));
  };
  const busy = gate();
  world.model.behaviour = async function* (request) {
    await busy.opened;
    yield* echo(request);
  };
  const first = new Attached(replica, { submit: turnFor(world, "one", { routeId: "r1" }) });
  await eventually(() => world.delivery.hints.length === 1);
  const second = new Attached(replica, { submit: turnFor(world, "two", { routeId: "r2" }) });
  await eventually(() => world.delivery.hints.length === 2);
  const unrouted = new Attached(replica, { submit: turnFor(world, "three") });
  busy.open();
  await Promise.all([first.ended, second.ended, unrouted.ended]);
  expect(world.delivery.hints).toEqual([
    { turnId: first.turnId, routeId: "r1", phase: ProgressPhase.RUNNING },
    { turnId: second.turnId, routeId: "r2", phase: ProgressPhase.QUEUED },
    { turnId: second.turnId, routeId: "r2", phase: ProgressPhase.RUNNING },
  ]);
  await eventually(() => world.delivery.taken.length === 2);
  hanging.open();
});

test.concurrent("again and again so many routes of those who wait are told, each once; who waits for more was told when it came", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const busy = gate();
  world.model.behaviour = heldAnswer(busy.opened);
  const active = new Attached(replica, { submit: turnFor(world, "active", { routeId: "r" }) });
  await eventually(() => active.kinds.includes("textDelta"));
  const routes = Array.from({ length: LIMITS.progressWaiting + 2 }, (_, n) => `r${n + 10}`);
  for (const routeId of ["r", ...routes, ...routes]) {
    await replica.client.submitTurn(turnFor(world, "waits", { routeId }));
  }
  const { hints } = world.delivery;
  const told = (phase: ProgressPhase) =>
    hints.flatMap((hint) => (hint.phase === phase ? [hint.routeId] : []));
  expect(new Set(told(ProgressPhase.QUEUED))).toEqual(new Set(["r", ...routes]));
  hints.length = 0;
  const { turn } = await replica.client.getTurn({ turnId: active.turnId });
  const clock = new ManualClock();
  const { sessionId = "", generation = 0n } = turn?.session ?? {};
  const who = { principal: "p1", requestId: "x", traceparent: "" };
  const by = { sessionKey: KEY, sessionId, generation, ...who };
  const run = { tenant: TENANT, turnId: active.turnId, routeId: "r", ...by };
  const progress = new Progress({ ...replica.context.deps, clock }, run);
  await clock.advance(LIMITS.progressEveryMs);
  await eventually(() => told(ProgressPhase.QUEUED).length > 0);
  // The turn's own route shows that it runs.
  expect(told(ProgressPhase.QUEUED)).toEqual(routes.slice(0, LIMITS.progressWaiting - 1));
  progress.stop();
  busy.open();
});

test.concurrent("a reply that delivery refuses for good stays for people, and those behind it go on", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  world.delivery.unknownRoutes.add("gone");
  await new Attached(replica, { submit: turnFor(world, "one", { routeId: "gone" }) }).ended;
  await new Attached(replica, { submit: turnFor(world, "two", { routeId: "r1" }) }).ended;
  await eventually(() => world.delivery.taken.length === 1);
  const { rows } = await world.db.query<{ refusal: string }>("SELECT refusal FROM outbox");
  expect(rows[0]?.refusal).toContain("NOT_FOUND");
});

test.concurrent.each([
  ["the call of a client's tool alone", [toolCall("c1", "weather"), end("tool_calls")]],
  ["no words", [end()]],
] as const)("of a reply with %s nothing is handed over, and nothing stays", async (_what, says) => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const parameters = { tools: [{ type: "function", function: { name: "weather" } }] };
  world.model.behaviour = async function* () {
    yield* says;
  };
  const submit = turnFor(world, "one", { routeId: "r1", parameters });
  expect((await new Attached(replica, { submit }).ended).state).toBe(TurnState.COMPLETED);
  world.model.behaviour = echo;
  await new Attached(replica, { submit: turnFor(world, "two", { routeId: "r1" }) }).ended;
  await eventually(async () => (await world.db.query("SELECT FROM outbox")).rowCount === 0);
  expect(world.delivery.taken.map(({ text }) => text)).toEqual(["echo: two"]);
});

test.concurrent("an outbox row of a replica that died is handed over by another", async () => {
  await using world = await worlds.start();
  const a = await world.replica();
  await world.replica();
  await applyMain(a);
  world.delivery.isDown = true;
  await new Attached(a, { submit: turnFor(world, "one", { routeId: "r1" }) }).ended;
  const wasTried = "SELECT FROM outbox WHERE attempt_count > 0";
  await eventually(async () => (await world.db.query(wasTried)).rowCount === 1);
  a.kill();
  world.delivery.isDown = false;
  await eventually(() => world.delivery.taken.length === 1);
});
