import type { DeliveryClient } from "@lanekeeper/client";
import { DeliveryState } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import type { CallReport, RpcHooks } from "@lanekeeper/rpc";
import { systemIds } from "@lanekeeper/service";
import { eventually, startWebhookSink, type WebhookSink } from "@lanekeeper/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { IdentityStandIn } from "../testing/identity-stand-in.ts";
import { registerWebhook, reply, SESSION_ID, SESSION_KEY, untilState } from "../testing/replies.ts";
import { QUICK, SECRET, startTestDelivery, type TestDelivery } from "../testing/test-delivery.ts";
import { startTestSchemas, type TestSchemas } from "../testing/test-schemas.ts";

let schemas: TestSchemas;
let identity: IdentityStandIn;
let delivery: TestDelivery;
let runner: DeliveryClient;
let sink: WebhookSink;
const calls: CallReport[] = [];
/** Each test has one of its own. */
let tenant: string;

beforeAll(async () => {
  schemas = await startTestSchemas();
  identity = new IdentityStandIn(SECRET);
  await identity.start();
  sink = await startWebhookSink();
  const limits = { ...QUICK, routesPerKey: 2, waitingPerRoute: 3 };
  const hooks: RpcHooks = { onCall: (report) => void calls.push(report) };
  delivery = await startTestDelivery(await schemas.open(), identity, { limits, hooks });
});
afterAll(async () => {
  await delivery[Symbol.asyncDispose]();
  await identity[Symbol.asyncDispose]();
  await sink[Symbol.asyncDispose]();
  await schemas[Symbol.asyncDispose]();
});
beforeEach(() => {
  tenant = systemIds.uuid();
  runner = delivery.as("runner", tenant);
});
afterEach(() => runner.$close());

const refusal = (reason: string) => expect.objectContaining({ reason });
const WEBHOOK = {
  sessionKey: SESSION_KEY,
  kind: RouteKind.WEBHOOK,
  address: "https://hooks.example/a",
};

test("a route is known by its address; a repeat renews it and tells the same secret", async () => {
  const first = await runner.registerRoute({ ...WEBHOOK, source: "one" });
  const again = await runner.registerRoute({ ...WEBHOOK, source: "two", isDefault: true });
  expect(first.signingSecret).toMatch(/^whsec_/);
  expect(again.signingSecret).toBe(first.signingSecret);
  expect(again.route).toMatchObject({
    routeId: first.route?.routeId,
    source: "two",
    isDefault: true,
  });
  const other = await runner.registerRoute({ ...WEBHOOK, threadId: "7" });
  expect(other.route?.routeId).not.toBe(first.route?.routeId);
  expect(other.signingSecret).not.toBe(first.signingSecret);
  const { routes } = await runner.listRoutes({ sessionKey: SESSION_KEY });
  expect(routes.map(({ routeId }) => routeId)).toEqual([
    first.route?.routeId,
    other.route?.routeId,
  ]);
  expect(
    JSON.stringify(routes, (_, value) => (typeof value === "bigint" ? "" : value)),
  ).not.toMatch(/whsec_/);
});

test("a client that hands over often does it by frames of one stream, with the same answers", async () => {
  const { routeId } = await registerWebhook(runner, sink.url);
  calls.length = 0;
  const framed = () => calls.filter(({ transport }) => transport === "exchange");
  const first = await runner.enqueueDelivery(reply(routeId, "framed"));
  await eventually(async () => {
    const again = await runner.enqueueDelivery(reply(routeId, "framed"));
    expect(again.deliveryId).toBe(first.deliveryId);
    return framed().length > 0;
  });
  // The largest reply that there is goes this way too.
  await runner.enqueueDelivery(reply(routeId, "large", "x".repeat(QUICK.replyBytes - 1_024)));
  expect(framed().at(-1)).toMatchObject({ method: "EnqueueDelivery", code: "OK" });
  const other = runner.enqueueDelivery(reply(routeId, "framed", "other content"));
  await expect(other).rejects.toEqual(refusal("IDEMPOTENCY_MISMATCH"));
  const nowhere = runner.enqueueDelivery(reply(systemIds.uuid(), "turn-1"));
  await expect(nowhere).rejects.toEqual(refusal("NOT_FOUND"));
  expect(
    framed()
      .map(({ method, code }) => `${method} ${code}`)
      .slice(-2),
  ).toEqual(["EnqueueDelivery ALREADY_EXISTS", "EnqueueDelivery NOT_FOUND"]);
});

test("one route more than a key may have is QUOTA", async () => {
  await runner.registerRoute({ ...WEBHOOK, threadId: "1" });
  await runner.registerRoute({ ...WEBHOOK, threadId: "2" });
  const third = runner.registerRoute({ ...WEBHOOK, threadId: "3" });
  await expect(third).rejects.toEqual(refusal("QUOTA"));
  await runner.registerRoute({ ...WEBHOOK, threadId: "2" });
});

test.each([
  ["a raw key", { sessionKey: "room" }, "MALFORMED_KEY"],
  ["a key that is not canonical", { sessionKey: "agent:Main:room" }, "MALFORMED_KEY"],
  ["no kind", { kind: RouteKind.UNSPECIFIED }, "INVALID_REQUEST"],
  ["an unknown kind", { kind: 99 as RouteKind }, "INVALID_REQUEST"],
  ["no address", { address: "" }, "INVALID_REQUEST"],
  ["a private address", { address: "http://10.0.0.1/" }, "INVALID_REQUEST"],
  ["metadata", { address: "http://169.254.169.254/latest/meta-data" }, "INVALID_REQUEST"],
  ["credentials", { address: "https://a:b@hooks.example/" }, "INVALID_REQUEST"],
  ["a long address", { address: `https://h.example/${"a".repeat(2_048)}` }, "INVALID_REQUEST"],
  ["a long source", { source: "s".repeat(101) }, "INVALID_REQUEST"],
  ["a long account", { accountId: "a".repeat(257) }, "INVALID_REQUEST"],
  ["a long thread", { threadId: "t".repeat(513) }, "INVALID_REQUEST"],
  ["U+0000", { threadId: "\0" }, "INVALID_REQUEST"],
])("a route with %s is refused", async (_, change, reason) => {
  await expect(runner.registerRoute({ ...WEBHOOK, ...change })).rejects.toEqual(refusal(reason));
});

test("an outside credential gets no replies of keys that are not its own", async () => {
  const ingress = delivery.as("ingress", tenant);
  const chat = { scopes: ["chat"] };
  const cron = { ...WEBHOOK, sessionKey: "agent:main:cron:nightly" };
  await expect(ingress.registerRoute(cron, chat)).rejects.toEqual(refusal("RESERVED_NAMESPACE"));
  await ingress.registerRoute(cron);
  const typed = { ...WEBHOOK, sessionKey: "agent:main:telegram:direct:7" };
  await expect(ingress.registerRoute(typed, chat)).rejects.toEqual(refusal("PERMISSION_DENIED"));
  await ingress.registerRoute(typed, { scopes: ["adapter"] });
  const confined = { scopes: ["adapter"], agents: ["support"] };
  const denied = refusal("PERMISSION_DENIED");
  await expect(ingress.registerRoute(WEBHOOK, confined)).rejects.toEqual(denied);
  await expect(ingress.listRoutes({ sessionKey: SESSION_KEY }, confined)).rejects.toEqual(denied);
});

test("replies come from the runner, and answers to commands from ingress", async () => {
  const { routeId } = await registerWebhook(runner, sink.url);
  for (const peer of ["cli", "session-identity", "delivery"] as const) {
    const enqueued = delivery.as(peer, tenant).enqueueDelivery(reply(routeId, "turn-1"));
    await expect(enqueued).rejects.toEqual(refusal("PERMISSION_DENIED"));
  }
});

test("a repeat of an enqueue gets the same delivery, whenever it expires", async () => {
  const { routeId } = await registerWebhook(runner, sink.url);
  const first = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  const soon = { seconds: BigInt(Math.floor(Date.now() / 1_000) + 60), nanos: 0 };
  const again = await runner.enqueueDelivery({ ...reply(routeId, "turn-1"), expireTime: soon });
  expect(again).toEqual(first);
  const other = runner.enqueueDelivery(reply(routeId, "turn-1", "other"));
  await expect(other).rejects.toEqual(refusal("IDEMPOTENCY_MISMATCH"));
});

const TEXT = { content: { case: "text", value: "a" } } as const;
const SESSION = { sessionKey: SESSION_KEY, sessionId: SESSION_ID, generation: 1n };
const file = (bytes: number) => ({
  content: { case: "fileData", value: new Uint8Array(bytes) } as const,
});
const uri = (value: string) => ({ content: { case: "fileUri", value } as const });

test.each([
  ["no request id", { requestId: "" }, "INVALID_REQUEST"],
  ["a long request id", { requestId: "r".repeat(129) }, "INVALID_REQUEST"],
  ["no turn", { turnId: "" }, "INVALID_REQUEST"],
  ["a raw key", { session: { ...SESSION, sessionKey: "room" } }, "MALFORMED_KEY"],
  ["no session id", { session: { ...SESSION, sessionId: "" } }, "INVALID_REQUEST"],
  ["no generation", { session: { ...SESSION, generation: 0n } }, "INVALID_REQUEST"],
  ["no parts", { parts: [] }, "INVALID_REQUEST"],
  ["an empty part", { parts: [{}] }, "INVALID_REQUEST"],
  ["too many parts", { parts: Array.from({ length: 65 }, () => TEXT) }, "INVALID_REQUEST"],
  ["a file of another scheme", { parts: [uri("file:///etc/passwd")] }, "INVALID_REQUEST"],
  ["a file of more than 1 MiB", { parts: [file(1024 * 1024 + 1)] }, "PAYLOAD_TOO_LARGE"],
  [
    "more than 4 MiB in all",
    { parts: [...Array.from({ length: 4 }, () => file(1024 * 1024)), TEXT] },
    "PAYLOAD_TOO_LARGE",
  ],
  ["an expire_time in a month", { expireTime: inDays(30) }, "INVALID_REQUEST"],
  ["no route of the tenant", { routeId: SESSION_ID }, "NOT_FOUND"],
  ["no route's id", { routeId: "mine" }, "INVALID_REQUEST"],
])("a reply with %s is refused", async (_, change, reason) => {
  const { routeId } = await registerWebhook(runner, sink.url);
  const enqueued = runner.enqueueDelivery({ ...reply(routeId, "turn-1"), ...change });
  await expect(enqueued).rejects.toEqual(refusal(reason));
});

test("a reply as large as it may be is taken and delivered", async () => {
  const { routeId } = await registerWebhook(runner, sink.url);
  const text = "x".repeat(4 * 1024 * 1024);
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1", text));
  const post = await eventually(() => sink.posts.find(({ id }) => id === deliveryId));
  expect(post.json).toMatchObject({ text });
});

test("a route on which as many replies wait as may is QUEUE_FULL, to be asked again", async () => {
  await using busy = await startWebhookSink({ status: 429, headers: { "retry-after": "3600" } });
  const { routeId } = await registerWebhook(runner, busy.url);
  for (const turn of ["turn-1", "turn-2", "turn-3"]) {
    await runner.enqueueDelivery(reply(routeId, turn));
  }
  const fourth = runner.enqueueDelivery(reply(routeId, "turn-4"));
  await expect(fourth).rejects.toMatchObject({ reason: "QUEUE_FULL", retryAfterMs: 10_000 });
});

test("a tenant sees its own and nothing else", async () => {
  const { routeId } = await registerWebhook(runner, sink.url);
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, "turn-1"));
  const other = { tenant: "other" };
  await expect(runner.getDelivery({ deliveryId }, other)).rejects.toEqual(refusal("NOT_FOUND"));
  expect((await runner.listDeliveries({}, other)).deliveries).toEqual([]);
  expect((await runner.listRoutes({ sessionKey: SESSION_KEY }, other)).routes).toEqual([]);
  const stolen = runner.enqueueDelivery(reply(routeId, "turn-2"), other);
  await expect(stolen).rejects.toEqual(refusal("NOT_FOUND"));
});

test("deliveries are found by every id that a person has at hand, newest first, in pages", async () => {
  const { routeId } = await registerWebhook(runner, sink.url);
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const ids: string[] = [];
  for (const turn of ["turn-1", "turn-2", "turn-3"]) {
    const options = turn === "turn-2" ? { traceparent } : {};
    ids.unshift((await runner.enqueueDelivery(reply(routeId, turn), options)).deliveryId);
  }
  const found = async (request: Parameters<DeliveryClient["listDeliveries"]>[0]) =>
    (await runner.listDeliveries(request)).deliveries.map(({ deliveryId }) => deliveryId);
  await untilState(runner, ids[0] ?? "", "SENT");
  expect(await found({})).toEqual(ids);
  expect(await found({ sessionKey: SESSION_KEY, routeId })).toEqual(ids);
  expect(await found({ turnId: "turn-2" })).toEqual([ids[1]]);
  expect(await found({ traceId: "0af7651916cd43dd8448eb211c80319c" })).toEqual([ids[1]]);
  expect(await found({ state: DeliveryState.SENT })).toEqual(ids);
  expect(await found({ state: DeliveryState.PENDING })).toEqual([]);
  expect(await found({ sessionKey: "agent:main:elsewhere" })).toEqual([]);

  const page = await runner.listDeliveries({ pageSize: 2 });
  expect(page.deliveries.map(({ deliveryId }) => deliveryId)).toEqual(ids.slice(0, 2));
  const rest = await runner.listDeliveries({ pageSize: 2, pageToken: page.nextPageToken });
  expect(rest.deliveries.map(({ deliveryId }) => deliveryId)).toEqual(ids.slice(2));
  expect(rest.nextPageToken).toBe("");

  const confined = await runner.listDeliveries({}, { scopes: ["operator"], agents: ["support"] });
  expect(confined.deliveries).toEqual([]);
});

test.each([
  ["page_size", { pageSize: 501 }],
  ["page_size", { pageSize: -1 }],
  ["page_token", { pageToken: "x" }],
  ["state", { state: 99 as DeliveryState }],
  ["trace_id", { traceId: "abc" }],
  ["route_id", { routeId: "abc" }],
])("a list with a wrong %s is refused", async (field, request) => {
  const listed = runner.listDeliveries(request);
  await expect(listed).rejects.toMatchObject({ reason: "INVALID_REQUEST", metadata: { field } });
});

test("what was sent is told with its parts and times", async () => {
  const { routeId } = await registerWebhook(runner, sink.url);
  const { deliveryId, routeSeq } = await runner.enqueueDelivery(reply(routeId, "turn-1", "hello"));
  const sent = await untilState(runner, deliveryId, "SENT");
  expect(sent).toMatchObject({
    deliveryId,
    session: SESSION,
    turnId: "turn-1",
    routeId,
    routeSeq,
    attemptCount: 1,
    parts: [{ content: { case: "text", value: "hello" } }],
  });
  expect(sent.nextAttemptTime).toBeUndefined();
  const livesS = Number((sent.expireTime?.seconds ?? 0n) - (sent.createTime?.seconds ?? 0n));
  expect(livesS).toBe(86_400);
});

function inDays(days: number) {
  return { seconds: BigInt(Math.floor(Date.now() / 1_000) + days * 86_400), nanos: 0 };
}
