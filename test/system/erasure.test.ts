import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DeliveryClient, IdentityClient } from "@lanekeeper/client";
import { createDatabase } from "@lanekeeper/postgres";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import {
  eventually,
  startConstellation,
  startModelServer,
  startWebhookSink,
} from "@lanekeeper/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AsRunner, asRunner } from "../support/as-runner.ts";
import { openAi, say } from "../support/client.ts";
import { spoken } from "../support/transcript.ts";

let model: Awaited<ReturnType<typeof startModelServer>>;
let lanekeeper: Awaited<ReturnType<typeof startConstellation>>;
let peers: AsRunner;
let identity: IdentityClient;
let delivery: DeliveryClient;

beforeAll(async () => {
  model = await startModelServer();
  const env = { LANEKEEPER_WEBHOOK_ALLOW_PRIVATE: "127.0.0.0/8" };
  lanekeeper = await startConstellation({ model, env });
  peers = asRunner(lanekeeper);
  ({ identity, delivery } = peers);
});
afterAll(async () => {
  peers?.[Symbol.dispose]();
  await lanekeeper?.stop();
  await model?.[Symbol.asyncDispose]();
});

const IDENTITY = "identity.v1.SessionIdentityService";
const SECRET = "my number is 4711";

/** A conversation in which something was said, with a route by which a reply has gone out. */
async function conversation(name: string) {
  const sessionKey = `agent:main:${name}`;
  model.next({ text: "noted" });
  await say(openAi(lanekeeper), name, SECRET);
  const sink = await startWebhookSink();
  const { session } = await identity.resolveSession({ name: { case: "rawKey", value: name } });
  const ref = session?.ref;
  if (ref === undefined) throw new Error("no session");
  const { route } = await delivery.registerRoute({
    ...{ sessionKey, kind: RouteKind.WEBHOOK, address: sink.url },
  });
  const turnId = randomUUID();
  const parts = [{ content: { case: "text", value: `noted: ${SECRET}` } } as const];
  await delivery.enqueueDelivery({
    ...{ requestId: `${turnId}/1`, session: ref, turnId, routeId: route?.routeId ?? "", parts },
  });
  await sink.post(0);
  return sessionKey;
}

function erase(sessionKey: string) {
  const request = { requestId: randomUUID(), sessionKey, note: "ticket 8" };
  return lanekeeper.call(`${IDENTITY}/EraseKey`, request);
}

async function turnsOf(sessionKey: string): Promise<number> {
  const { turns = [] } = await lanekeeper.call("runner.v1.RunnerService/ListTurns", { sessionKey });
  return (turns as object[]).length;
}
const deliveriesOf = async (sessionKey: string) =>
  (await delivery.listDeliveries({ sessionKey })).deliveries.length;
const routesOf = async (sessionKey: string) =>
  (await delivery.listRoutes({ sessionKey })).routes.length;

/** Services look for what they have to remove each ten seconds. */
function untilNone(what: string, count: () => Promise<number>): Promise<unknown> {
  return eventually(async () => (await count()) === 0, { what, timeoutMs: 110_000 });
}

test("what was said is gone within seconds, with its replies; other conversations keep theirs", async () => {
  const [erased, other] = [await conversation("erase:1"), await conversation("erase:2")];
  expect(await erase(erased)).toMatchObject({
    erasure: {
      state: "ERASURE_STATE_REMOVING",
      keys: [{ sessionKey: erased, throughGeneration: "1" }],
    },
  });
  await untilNone("messages", async () => (await spoken(lanekeeper, erased)).length);
  await untilNone("turns", () => turnsOf(erased));
  await untilNone("replies", () => deliveriesOf(erased));
  const { erasures } = (await lanekeeper.call(`${IDENTITY}/ListErasures`, {})) as {
    erasures: object[];
  };
  // What may have been under way is waited for, for five minutes.
  expect(erasures).toMatchObject([{ state: "ERASURE_STATE_REMOVING", note: "ticket 8" }]);
  expect(await spoken(lanekeeper, other)).toEqual([`user: ${SECRET}`, "assistant: noted"]);
  expect([await deliveriesOf(other), await routesOf(other)]).toEqual([1, 1]);
});

test("whoever speaks under the name right after finds an empty conversation, and keeps it", async () => {
  const sessionKey = await conversation("erase:3");
  await erase(sessionKey);
  const shown = model.requests.length;
  model.next({ text: "hello" });
  await say(openAi(lanekeeper), "erase:3", "who am I?");
  expect(JSON.stringify(await model.request(shown))).not.toContain("4711");
  await eventually(async () => (await spoken(lanekeeper, sessionKey)).length === 2, {
    what: "what was said before is gone",
    timeoutMs: 90_000,
  });
  expect(await spoken(lanekeeper, sessionKey)).toEqual(["user: who am I?", "assistant: hello"]);
  await untilNone("replies", () => deliveriesOf(sessionKey));
  expect(await routesOf(sessionKey)).toBe(1);
});

/** As if an hour had passed since all that has to do with erasures and routes. */
async function anHourPasses(): Promise<void> {
  const folder = join(lanekeeper.dataDir, "postgres");
  const read = async (name: string) => (await readFile(join(folder, name), "utf8")).trim();
  const [port, password] = [await read("postgres-port"), await read("postgres-password")];
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
  const log = () => undefined;
  await using db = createDatabase<unknown>({ url, poolSize: 1, applicationName: "test", log });
  for (const [table, time] of [
    ["lanekeeper_identity.erasures", "create_time"],
    ["lanekeeper_identity.key_bindings", "first_seen_time"],
    ["lanekeeper_delivery.routes", "update_time"],
  ]) {
    await db.query(`UPDATE ${table} SET ${time} = ${time} - interval '1 hour'`);
  }
}

test("in the end its key and names are gone, though processes died; one to which somebody came back stays", async () => {
  const [gone, kept] = [await conversation("erase:4"), await conversation("erase:5")];
  const ids = await Promise.all([gone, kept].map(async (key) => erasureIdOf(await erase(key))));
  model.next({ text: "hello" });
  await say(openAi(lanekeeper), "erase:5", "me again");
  await anHourPasses();
  for (const service of ["runner", "delivery", "session-identity"] as const) {
    await lanekeeper.kill(service);
  }
  const states = () =>
    Promise.all(
      ids.map(async (erasureId) => {
        const { erasure } = await lanekeeper.call(`${IDENTITY}/GetErasure`, { erasureId });
        const { state, returned = false, keys = [] } = erasure as Record<string, unknown>;
        return { state, returned, keys };
      }),
    );
  const isOver = async () =>
    (await states()).every(({ state }) => state === "ERASURE_STATE_ERASED");
  await eventually(isOver, { what: "both are erased", timeoutMs: 110_000 });
  const ended = { state: "ERASURE_STATE_ERASED", keys: [] };
  expect(await states()).toEqual([
    { ...ended, returned: false },
    { ...ended, returned: true },
  ]);

  const find = (value: string) =>
    identity.resolveSession({ name: { case: "rawKey", value }, lookUpOnly: true });
  await expect(find("erase:4")).rejects.toThrow("no session");
  expect((await find("erase:5")).session?.ref?.generation).toBe(2n);
  expect([await routesOf(gone), await routesOf(kept)]).toEqual([0, 1]);
  expect(await spoken(lanekeeper, kept)).toEqual(["user: me again", "assistant: hello"]);
  model.next({ text: "welcome" });
  const shown = model.requests.length;
  await say(openAi(lanekeeper), "erase:4", "who am I?");
  expect(JSON.stringify(await model.request(shown))).not.toContain("4711");
});

function erasureIdOf(answer: Record<string, unknown>): string {
  return (answer["erasure"] as { erasureId: string }).erasureId;
}
