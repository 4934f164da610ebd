import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { gate } from "../testing/gate.ts";
import { heldAnswer } from "../testing/model-double.ts";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

test.concurrent("every line about a turn carries the fields by which it is found", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const origin = { source: "slack", rawKey: "hi", peer: { channel: "slack", accountId: "T1" } };
  const attached = new Attached(
    replica,
    { submit: turnFor(world, "one", { origin }) },
    { requestId: "req-7" },
  );
  await attached.ended;
  const line = await eventually(() => replica.log.lines.find(({ msg }) => msg === "run ended"));
  expect(line).toMatchObject({
    tenant: TENANT,
    principal: "p1",
    channel: "slack",
    account: "T1",
    raw_key: "hi",
    session_key: KEY,
    turn_id: attached.turnId,
    request_id: "req-7",
    generation: 1,
  });
  expect(line["run_id"]).toBeTruthy();
  expect(replica.log.lines.find(({ msg }) => msg === "turn accepted")).toMatchObject({
    disposition: "started",
  });
});

test.concurrent("who asked for a turn's cancelling stands in the log, beside whose turn it was", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const held = gate();
  world.model.behaviour = heldAnswer(held.opened);
  const active = new Attached(replica, { submit: turnFor(world, "one") });
  await eventually(() => active.kinds.includes("textDelta"));
  const waiting = new Attached(replica, { submit: turnFor(world, "two") });
  await eventually(() => waiting.kinds.includes("queued"));
  const note = "stuck, ticket 7";
  for (const turnId of [waiting.turnId, active.turnId]) {
    const by = { principal: "operator", requestId: "req-8" };
    await replica.client.cancelTurn({ turnId, note }, by);
  }
  const lines = replica.log.lines.filter(({ msg }) => msg === "cancelling was asked for");
  const asked = { principal: "p1", cancelled_by: "operator", cancel_request_id: "req-8", note };
  expect(lines).toMatchObject([
    { ...asked, turn_id: waiting.turnId, state: "CANCELLED" },
    { ...asked, turn_id: active.turnId },
  ]);
});
