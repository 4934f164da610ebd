import type { DeliveryClient } from "@lanekeeper/client";
import { OnFailure, OnUnknown, RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { systemIds } from "@lanekeeper/service";
import { startWebhookSink, type WebhookSink } from "@lanekeeper/testing";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import type { DeliveryDatabase } from "../store/sql.ts";
import { IdentityStandIn } from "../testing/identity-stand-in.ts";
import { reply, SESSION_KEY, untilState } from "../testing/replies.ts";
import { SECRET, startTestDelivery, type TestDelivery } from "../testing/test-delivery.ts";
import { startTestSchemas, type TestSchemas } from "../testing/test-schemas.ts";

let schemas: TestSchemas;
let identity: IdentityStandIn;
let db: DeliveryDatabase;
let delivery: TestDelivery;
let runner: DeliveryClient;
let cli: DeliveryClient;
let sink: WebhookSink;

beforeAll(async () => {
  schemas = await startTestSchemas();
  identity = new IdentityStandIn(SECRET);
  await identity.start();
  sink = await startWebhookSink();
  db = await schemas.open();
  delivery = await startTestDelivery(db, identity);
});
afterAll(async () => {
  await delivery[Symbol.asyncDispose]();
  await identity[Symbol.asyncDispose]();
  await sink[Symbol.asyncDispose]();
  await schemas[Symbol.asyncDispose]();
});
beforeEach(() => {
  const tenant = systemIds.uuid();
  runner = delivery.as("runner", tenant);
  cli = delivery.as("cli", tenant);
});

const refusal = (reason: string) => expect.objectContaining({ reason });
const at = (threadId: string) => ({
  sessionKey: SESSION_KEY,
  kind: RouteKind.WEBHOOK,
  address: sink.url,
  threadId,
});

async function register(threadId: string, more: object = {}) {
  const { route } = await runner.registerRoute({ ...at(threadId), ...more });
  if (route === undefined) throw new Error("no route");
  return route;
}

const changesOf = async (routeId: string) =>
  (await runner.listRouteChanges({ routeId })).changes.map(({ route, principal, note }) => ({
    number: route?.changeNumber,
    source: route?.source,
    isDefault: route?.isDefault,
    policy: [route?.policy?.onFailure, route?.policy?.onUnknown],
    principal,
    note,
  }));

test("each change of a route is a row of its history; an event that changes nothing is none", async () => {
  const { routeId } = await register("1", { source: "one" });
  for (let event = 0; event < 3; event++) await register("1", { source: "one" });
  await register("1", { source: "two", isDefault: true });
  const onFailure = OnFailure.BLOCK;
  await runner.configureRoute({ routeId, policy: { onFailure }, note: "orders matter" });
  await runner.configureRoute({ routeId, policy: { onFailure }, note: "again" });
  const usual = [OnFailure.SKIP, OnUnknown.RESEND];
  const by = { principal: "tester", note: "registered" };
  expect(await changesOf(routeId)).toEqual([
    {
      ...{ number: 3, source: "two", isDefault: true, policy: [onFailure, OnUnknown.RESEND] },
      ...{ principal: "tester", note: "orders matter" },
    },
    { number: 2, source: "two", isDefault: true, policy: usual, ...by },
    { number: 1, source: "one", isDefault: false, policy: usual, ...by },
  ]);
  const first = await runner.listRouteChanges({ routeId, pageSize: 2 });
  const pageToken = first.nextPageToken;
  const second = await runner.listRouteChanges({ routeId, pageSize: 2, pageToken });
  expect(second.changes.map(({ route }) => route?.changeNumber)).toEqual([1]);
  expect(second.nextPageToken).toBe("");
});

test("of a route's history the oldest change goes when there are more than are kept, and the numbers tell it", async () => {
  const { routeId } = await register("1", { source: "one" });
  const columns = `tenant, route_id, source, is_default, on_failure, on_unknown, blocked_by,
    principal, note, create_time`;
  await db.query(
    `INSERT INTO route_changes (change_number, ${columns})
     SELECT n, ${columns} FROM route_changes, generate_series(2, $2) n WHERE route_id = $1`,
    [routeId, LIMITS.changesPerRoute],
  );
  await db.query("UPDATE routes SET change_number = $2 WHERE route_id = $1", [
    routeId,
    LIMITS.changesPerRoute,
  ]);
  const numbers = async () => {
    const found: (number | undefined)[] = [];
    for (let pageToken = ""; ; ) {
      const page = await runner.listRouteChanges({ routeId, pageSize: 500, pageToken });
      found.push(...page.changes.map(({ route }) => route?.changeNumber));
      if (page.nextPageToken === "") return found;
      pageToken = page.nextPageToken;
    }
  };
  const newestFirst = (last: number) =>
    Array.from({ length: LIMITS.changesPerRoute }, (_, place) => last - place);
  expect(await numbers()).toEqual(newestFirst(1_000));
  expect((await register("1", { source: "two" })).changeNumber).toBe(1_001);
  expect(await numbers()).toEqual(newestFirst(1_001));
});

test("an event renews its route's time, and a policy that it does not state stays", async () => {
  const policy = { onFailure: OnFailure.BLOCK, onUnknown: OnUnknown.HOLD };
  const first = await register("1", { policy });
  const again = await register("1");
  expect(again.policy).toMatchObject(policy);
  const nanos = ({ seconds = 0n, nanos = 0 } = {}) => seconds * 1_000_000_000n + BigInt(nanos);
  expect(nanos(again.updateTime)).toBeGreaterThan(nanos(first.updateTime));
  expect(again.changeNumber).toBe(1);
});

test("a key has one default route; who becomes it takes it from the other, in both histories", async () => {
  const one = await register("1", { isDefault: true });
  const two = await register("2", { isDefault: true });
  // An event that says nothing of it leaves it.
  await register("2");
  const { routes } = await runner.listRoutes({ sessionKey: SESSION_KEY });
  expect(routes.map(({ isDefault }) => isDefault)).toEqual([false, true]);
  expect((await changesOf(one.routeId)).map(({ isDefault }) => isDefault)).toEqual([false, true]);
  await runner.configureRoute({ routeId: one.routeId, isDefault: true });
  expect((await changesOf(two.routeId)).map(({ isDefault }) => isDefault)).toEqual([false, true]);
  const racers = ["3", "4", "5", "6"].map((thread) => register(thread, { isDefault: true }));
  await Promise.all(racers);
  const after = await runner.listRoutes({ sessionKey: SESSION_KEY });
  expect(after.routes.filter(({ isDefault }) => isDefault)).toHaveLength(1);
});

test("a message that answers no turn goes to the default route, to the only one, or is refused", async () => {
  const none = runner.enqueueDelivery(reply("", "turn-0"));
  await expect(none).rejects.toEqual(refusal("NOT_FOUND"));
  const one = await register("1");
  const only = await runner.enqueueDelivery(reply("", "turn-1"));
  expect((await untilState(runner, only.deliveryId, "SENT")).routeId).toBe(one.routeId);
  const two = await register("2");
  const which = runner.enqueueDelivery(reply("", "turn-2"));
  await expect(which).rejects.toEqual(refusal("NOT_FOUND"));
  await runner.configureRoute({ routeId: two.routeId, isDefault: true });
  const there = await runner.enqueueDelivery(reply("", "turn-2"));
  expect((await untilState(runner, there.deliveryId, "SENT")).routeId).toBe(two.routeId);
  // A repeat finds what it made, although the default is another now.
  await runner.configureRoute({ routeId: one.routeId, isDefault: true });
  expect(await runner.enqueueDelivery(reply("", "turn-2"))).toEqual(there);
});

test("while a secret is rotated posts verify with both; a repeat tells the same; then the old one ends", async () => {
  const { route, signingSecret: old } = await runner.registerRoute(at("1"));
  const routeId = route?.routeId ?? "";
  const wanted = { requestId: "rotation-1", routeId };
  const { signingSecret: fresh } = await cli.rotateSigningSecret(wanted);
  expect((await cli.rotateSigningSecret(wanted)).signingSecret).toBe(fresh);
  expect((await runner.registerRoute(at("1"))).signingSecret).toBe(fresh);
  const during = await sentBody(routeId, "turn-1");
  for (const secret of [old, fresh]) verify(secret, during);

  const keepOld = { seconds: 0n, nanos: 0 };
  const again = await cli.rotateSigningSecret({ ...wanted, requestId: "rotation-2", keepOld });
  const after = await sentBody(routeId, "turn-2");
  verify(again.signingSecret, after);
  expect(() => verify(fresh, after)).toThrow();
});

test("a rotation within another one's overlap leaves each old secret the time that it was promised", async () => {
  const { route, signingSecret: first } = await runner.registerRoute(at("3"));
  const routeId = route?.routeId ?? "";
  const second = await cli.rotateSigningSecret({ requestId: "r-1", routeId });
  const third = await cli.rotateSigningSecret({ requestId: "r-2", routeId });
  const during = await sentBody(routeId, "turn-1");
  for (const secret of [first, second.signingSecret, third.signingSecret]) verify(secret, during);

  await db.query("UPDATE routes SET old_secret_end = now() WHERE route_id = $1", [routeId]);
  const later = await sentBody(routeId, "turn-2");
  for (const secret of [first, third.signingSecret]) verify(secret, later);
  expect(() => verify(second.signingSecret, later)).toThrow();

  // One that leaked may be any of them: all end.
  const keepOld = { seconds: 0n, nanos: 0 };
  const fresh = await cli.rotateSigningSecret({ requestId: "r-3", routeId, keepOld });
  const after = await sentBody(routeId, "turn-3");
  verify(fresh.signingSecret, after);
  for (const secret of [first, third.signingSecret]) {
    expect(() => verify(secret, after)).toThrow();
  }
});

async function sentBody(routeId: string, turn: string) {
  const { deliveryId } = await runner.enqueueDelivery(reply(routeId, turn));
  await untilState(runner, deliveryId, "SENT");
  const post = sink.posts.find(({ id }) => id === deliveryId);
  if (post === undefined) throw new Error("nothing was posted");
  return post;
}

function verify(secret: string, { body, headers }: Awaited<ReturnType<typeof sentBody>>): void {
  new Webhook(secret).verify(body, headers as Record<string, string>);
}

const SLACK = { kind: RouteKind.SLACK, accountId: "T0123", address: "C0123" };
const TELEGRAM = { kind: RouteKind.TELEGRAM, accountId: "bot7", address: "-1004242" };

test("the places of the other channels are typed and kept as they are", async () => {
  const slack = await register("1503435956.000247", SLACK);
  expect(slack).toMatchObject({ ...SLACK, threadId: "1503435956.000247" });
  const telegram = await runner.registerRoute({ ...at("77"), ...TELEGRAM });
  expect(telegram.route).toMatchObject({ ...TELEGRAM, threadId: "77" });
  expect(telegram.signingSecret).toBe("");
  const parent = { kind: RouteKind.PARENT_SESSION, address: "agent:main:parent" };
  expect((await register("", parent)).address).toBe("agent:main:parent");
});

test.each([
  ["Slack without a team", { ...SLACK, accountId: "" }, "INVALID_REQUEST"],
  ["a Slack name", { ...SLACK, address: "#general" }, "INVALID_REQUEST"],
  ["a Slack thread that is none", { ...SLACK, threadId: "latest" }, "INVALID_REQUEST"],
  ["Telegram without a bot", { ...TELEGRAM, accountId: "" }, "INVALID_REQUEST"],
  ["a Telegram URL", { ...TELEGRAM, address: "https://t.me/x" }, "INVALID_REQUEST"],
  ["a Telegram topic that is none", { ...TELEGRAM, threadId: "a" }, "INVALID_REQUEST"],
  ["a parent by a raw key", { kind: RouteKind.PARENT_SESSION, address: "x" }, "MALFORMED_KEY"],
  ["an unknown policy", { policy: { onFailure: 9 as OnFailure } }, "INVALID_REQUEST"],
])("%s is no route", async (_, change, reason) => {
  const registered = runner.registerRoute({ ...at(""), ...change });
  await expect(registered).rejects.toEqual(refusal(reason));
});

test("a parent's route is the runner's to register, nobody else's", async () => {
  const parent = { kind: RouteKind.PARENT_SESSION, address: "agent:main:parent" };
  const registered = delivery.as("ingress").registerRoute({ ...at(""), ...parent });
  await expect(registered).rejects.toEqual(refusal("PERMISSION_DENIED"));
});

test("channel accounts are put in place as a whole, and name variables that are meant for it", async () => {
  const cli = delivery.as("cli", systemIds.uuid());
  const slack = { kind: RouteKind.SLACK, accountId: "T0123", tokenEnv: "SLACK_TOKEN" };
  const telegram = { kind: RouteKind.TELEGRAM, accountId: "bot7", tokenEnv: "MY_TELEGRAM_TOKEN" };
  await cli.applyChannelAccounts({ accounts: [telegram, slack] });
  await cli.applyChannelAccounts({ accounts: [{ ...slack, tokenEnv: "SLACK_TOKEN_2" }] });
  const { accounts } = await cli.listChannelAccounts({});
  expect(accounts).toMatchObject([{ ...slack, tokenEnv: "SLACK_TOKEN_2" }]);
  for (const tokenEnv of ["", "LANEKEEPER_CLUSTER_SECRET", "PGPASSWORD", "slack_token"]) {
    const applied = cli.applyChannelAccounts({ accounts: [{ ...slack, tokenEnv }] });
    await expect(applied).rejects.toEqual(refusal("INVALID_REQUEST"));
  }
  const twice = cli.applyChannelAccounts({ accounts: [slack, slack] });
  await expect(twice).rejects.toEqual(refusal("INVALID_REQUEST"));
  const webhook = cli.applyChannelAccounts({ accounts: [{ ...slack, kind: RouteKind.WEBHOOK }] });
  await expect(webhook).rejects.toEqual(refusal("INVALID_REQUEST"));
});

test("a tenant's credential names no token of another tenant's; the operator's program may", async () => {
  const [mine, theirs] = [systemIds.uuid(), systemIds.uuid()];
  const tokenEnv = `SLACK_TOKEN_${theirs.replaceAll("-", "_").toUpperCase()}`;
  const accounts = [{ kind: RouteKind.SLACK, accountId: "T0123", tokenEnv }];
  await delivery.as("cli", theirs).applyChannelAccounts({ accounts });
  const admin = { scopes: ["admin"] };
  const outside = delivery.as("ingress", mine);
  await expect(outside.applyChannelAccounts({ accounts }, admin)).rejects.toEqual(
    refusal("PERMISSION_DENIED"),
  );
  expect((await outside.listChannelAccounts({}, admin)).accounts).toEqual([]);
  await delivery.as("ingress", theirs).applyChannelAccounts({ accounts }, admin);
  await delivery.as("cli", mine).applyChannelAccounts({ accounts });
});
