import { randomUUID } from "node:crypto";
import {
  createDeliveryClient,
  createIdentityClient,
  type DeliveryClient,
  type IdentityClient,
} from "@lanekeeper/client";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import {
  eventually,
  startConstellation,
  startModelServer,
  startWebhookSink,
} from "@lanekeeper/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openAi, say } from "../support/client.ts";
import { spoken } from "../support/transcript.ts";

let model: Awaited<ReturnType<typeof startModelServer>>;
let lanekeeper: Awaited<ReturnType<typeof startConstellation>>;
let identity: IdentityClient;
let delivery: DeliveryClient;

beforeAll(async () => {
  model = await startModelServer();
  const env = { LANEKEEPER_WEBHOOK_ALLOW_PRIVATE: "127.0.0.0/8" };
  lanekeeper = await startConstellation({ model, env });
  const peer = {
    credential: lanekeeper.credential("runner"),
    defaults: { tenant: "default", principal: "test" },
  };
  identity = createIdentityClient({ ...peer, target: lanekeeper.targets["session-identity"] });
  delivery = createDeliveryClient({ ...peer, target: lanekeeper.targets.delivery });
});
afterAll(async () => {
  identity?.$close();
  delivery?.$close();
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
