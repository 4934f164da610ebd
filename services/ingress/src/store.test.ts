import { createDatabase, type Database } from "@lanekeeper/postgres";
import { startThrowawayDatabase, type ThrowawayDatabase } from "@lanekeeper/postgres/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { create } from "@bufbuild/protobuf";
import {
  ChannelKind,
  InboundAccountSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import { pollLeases } from "./channels/polling/lease.ts";
import { accountStore } from "./channels/account-store.ts";
import { SCHEMA } from "./config.ts";
import { hashKey } from "./credentials/credential.ts";
import { credentialStore } from "./credentials/store.ts";
import type { RequestEntry } from "./request-log/entry.ts";
import { requestStore } from "./request-log/store.ts";
import { settingsStore } from "./settings/store.ts";
import { DEFAULT_SETTINGS } from "./settings/tenant-settings.ts";
import { MIGRATIONS } from "./start.ts";

let database: ThrowawayDatabase;
let db: Database<unknown>;

beforeAll(async () => {
  database = await startThrowawayDatabase();
  await database.makeSchema(SCHEMA, MIGRATIONS);
  const log = (): void => undefined;
  const { url } = database;
  db = createDatabase({ url, schema: SCHEMA, poolSize: 2, applicationName: "t", log });
});

afterAll(async () => {
  await db?.close();
  await database?.stop();
});

describe("credentials in Postgres", () => {
  const credential = (key: string) => ({
    principal: "p-1",
    tenant: "acme",
    keyHash: hashKey(key),
    scopes: ["chat", "adapter"],
    agents: ["main"],
    keyPrefixes: ["agent:main:crm:"],
    rateLimit: undefined,
    tenantRateLimit: undefined,
  });

  test("are found by their hash and replaced by their id", async () => {
    const store = credentialStore(db);
    expect(await store.put(credential("one"), "for tests")).toBe(false);
    expect(await store.find(hashKey("one"))).toEqual(credential("one"));
    expect(await store.put(credential("one"), "for tests")).toBe(false);
    expect(await store.put(credential("two"), "for tests")).toBe(true);
    expect(await store.find(hashKey("one"))).toBeUndefined();
    expect(await store.find(hashKey("two"))).toEqual(credential("two"));
  });

  test.each(["revoke_time", "expire_time"])("are no longer found past their %s", async (column) => {
    const store = credentialStore(db);
    await store.put(credential("three"), "");
    await db.query(`UPDATE api_keys SET ${column} = clock_timestamp() - interval '1 s'`);
    expect(await store.find(hashKey("three"))).toBeUndefined();
    await db.query(`UPDATE api_keys SET ${column} = NULL`);
    expect(await store.find(hashKey("three"))).toBeDefined();
  });
});

test("a key has its own limit, else its tenant's for each of its keys; and the tenant's", async () => {
  const tenant = "limited";
  const standing = { sessionSources: [], requiresSession: false };
  const [ofAll, ofEach] = [
    { requestsPerMinute: 6_000, burst: 600 },
    { requestsPerMinute: 60, burst: 60 },
  ];
  const credentials = credentialStore(db);
  const settings = settingsStore(db);
  const keyHash = hashKey("limited");
  const none = { rateLimit: undefined, tenantRateLimit: undefined };
  const bare = { tenant, principal: "p-limited", keyHash, scopes: ["chat"], agents: [] };
  await credentials.put({ ...bare, keyPrefixes: [], ...none }, "");
  expect(await credentials.find(keyHash)).toMatchObject(none);
  const limits = { rateLimit: ofAll, keyRateLimit: ofEach };
  expect(await settings.write(tenant, { ...standing, ...limits })).toBe(1n);
  expect(await settings.write(tenant, { ...standing, ...limits })).toBe(1n);
  expect(await settings.read(tenant)).toMatchObject({ ...limits, version: 1n });
  const found = await credentials.find(keyHash);
  expect(found).toMatchObject({ rateLimit: ofEach, tenantRateLimit: ofAll });
  await db.query("UPDATE api_keys SET requests_per_minute = 5 WHERE tenant = $1", [tenant]);
  const own = { rateLimit: { requestsPerMinute: 5, burst: 5 }, tenantRateLimit: ofAll };
  expect(await credentials.find(keyHash)).toMatchObject(own);
  expect(await settings.write(tenant, standing)).toBe(2n);
  expect(await credentials.find(keyHash)).toMatchObject({ tenantRateLimit: undefined });
});

describe("the request log in Postgres", () => {
  const entry = (requestId: string, more: Partial<RequestEntry> = {}): RequestEntry => ({
    tenant: "acme",
    requestId,
    traceId: "trace-1",
    principal: "p-1",
    route: "POST /v1/chat/completions",
    rawKey: 'Küche, {1} "2" \\ NULL',
    sessionKey: "agent:main:Küche",
    turnId: "",
    disposition: "started",
    status: 200,
    reason: "",
    errorMessage: "",
    createTime: new Date("2026-01-01T00:00:00.123Z"),
    endTime: new Date("2026-01-01T00:00:01Z"),
    ...more,
  });
  const any = { tenant: "acme", requestId: "", traceId: "", turnId: "" };
  const first = { ...any, beforeEntryId: undefined, limit: 10 };

  test("gives back what was written, newest first, a page at a time", async () => {
    const store = requestStore(db);
    await store.insert([entry("a"), entry("b", { turnId: "t-1" }), entry("c", { traceId: "" })]);
    await store.insert([entry("d", { tenant: "other", turnId: "t-1", status: 499 })]);
    const all = await store.list(first);
    expect(all.map(({ requestId }) => requestId)).toEqual(["c", "b", "a"]);
    const { entryId, ...same } = all[2] ?? {};
    expect(same).toEqual(entry("a"));
    const page = await store.list({ ...first, limit: 1, beforeEntryId: all[0]?.entryId });
    expect(page.map(({ requestId }) => requestId)).toEqual(["b"]);
    expect(entryId).toBeTypeOf("bigint");
  });

  test.each([
    [{ requestId: "b" }, ["b"]],
    [{ traceId: "trace-1" }, ["b", "a"]],
    [{ turnId: "t-1" }, ["b"]],
    [{ requestId: "a", turnId: "t-1" }, []],
    [{ tenant: "other" }, ["d"]],
  ])("finds %j", async (wanted, found) => {
    const listed = await requestStore(db).list({ ...first, ...wanted });
    expect(listed.map(({ requestId }) => requestId)).toEqual(found);
  });

  test("finds what a bound credential asked for itself, and what is of its keys", async () => {
    const store = requestStore(db);
    const tenant = "bounds";
    const of = (requestId: string, principal: string, sessionKey: string) =>
      entry(requestId, { tenant, principal, sessionKey });
    await store.insert([
      of("shop", "p", "agent:main:shop:1"),
      of("helper", "p", "agent:helper:shop:1"),
      of("stateless", "p", ""),
      of("own", "mine", ""),
    ]);
    const found = async (bounds: { agents?: string[]; keyPrefixes?: string[] }) => {
      const of = { principal: "mine", agents: [], keyPrefixes: [], ...bounds };
      return (await store.list({ ...first, tenant, bounds: of })).map(({ requestId }) => requestId);
    };
    expect(await found({ keyPrefixes: ["agent:main:shop:"] })).toEqual(["own", "shop"]);
    expect(await found({ agents: ["helper"] })).toEqual(["own", "helper"]);
    const both = { agents: ["helper"], keyPrefixes: ["agent:main:"] };
    expect(await found(both)).toEqual(["own"]);
    await store.deleteBefore(new Date("2027-01-01T00:00:00Z"), 4);
  });

  test("deletes the oldest first, no more than it is told to", async () => {
    const store = requestStore(db);
    const now = new Date("2026-02-01T00:00:00Z");
    await store.insert([entry("young", { endTime: now })]);
    expect(await store.deleteBefore(now, 3)).toBe(3);
    expect(await store.deleteBefore(now, 3)).toBe(1);
    expect(await store.deleteBefore(now, 3)).toBe(0);
    expect((await store.list(first)).map(({ requestId }) => requestId)).toEqual(["young"]);
  });
});

describe("tenants' settings in Postgres", () => {
  test("are the defaults until some are written; the version grows with a change alone", async () => {
    const store = settingsStore(db);
    expect(await store.read("acme")).toMatchObject({ ...DEFAULT_SETTINGS, version: 0n });
    const settings = { sessionSources: ["user" as const], requiresSession: true };
    expect(await store.write("acme", settings)).toBe(1n);
    expect(await store.write("acme", settings)).toBe(1n);
    expect(await store.write("acme", { ...settings, requiresSession: false })).toBe(2n);
    expect(await store.read("acme")).toMatchObject({
      ...settings,
      requiresSession: false,
      version: 2n,
      applyTime: expect.any(Date),
    });
    expect(await store.read("other")).toMatchObject({ version: 0n });
  });
});

describe("leases of polled accounts in Postgres", () => {
  const account = create(InboundAccountSchema, { kind: ChannelKind.TELEGRAM, accountId: "bot" });
  const bot = { tenant: "acme", account };

  test("have one holder, who renews; an expired or returned one is taken over", async () => {
    const leases = pollLeases(db);
    const racers = ["a", "b", "c"].map((holder) => leases.take(bot, holder, 60_000));
    const taken = await Promise.all(racers);
    expect(taken.filter(Boolean)).toHaveLength(1);
    const holder = ["a", "b", "c"][taken.indexOf(true)] ?? "";
    expect(await leases.take(bot, holder, 60_000)).toBe(true);
    expect(await leases.take(bot, "d", 60_000)).toBe(false);
    expect(await leases.take({ ...bot, tenant: "other" }, "d", 60_000)).toBe(true);
    await leases.release(bot, "d");
    expect(await leases.take(bot, "d", 60_000)).toBe(false);
    await leases.release(bot, holder);
    expect(await leases.take(bot, "d", 0)).toBe(true);
    expect(await leases.take(bot, "e", 60_000)).toBe(true);
  });
});

describe("inbound accounts in Postgres", () => {
  const { WEBHOOK, TELEGRAM } = ChannelKind;
  const hook = create(InboundAccountSchema, {
    ...{ kind: WEBHOOK, accountId: "helpdesk", secretEnv: "WEBHOOK_SECRET" },
    webhook: { replyUrl: "https://example.org", hmac: { signatureHeader: "x-sig", encoding: 2 } },
    rateLimit: { requestsPerMinute: 600, burst: 0 },
  });
  const bot = create(InboundAccountSchema, {
    ...{ kind: TELEGRAM, accountId: "bot7", tokenEnv: "TELEGRAM_TOKEN", polling: true },
  });

  test("are put in the place of a tenant's, and found by their name over all tenants", async () => {
    const store = accountStore(db);
    await store.apply("first", [hook, bot]);
    await store.apply("second", [hook]);
    expect(await store.list("first")).toEqual([hook, bot]);
    const owners = async () => (await store.find(WEBHOOK, "helpdesk")).map(({ tenant }) => tenant);
    expect(await owners()).toEqual(["first", "second"]);
    expect(await store.listPolled()).toEqual([{ tenant: "first", account: bot }]);
    await store.apply("first", [{ ...hook, agentId: "helper" }]);
    expect(await store.list("first")).toEqual([{ ...hook, agentId: "helper" }]);
    expect(await owners()).toEqual(["first", "second"]);
    const mine = ["WEBHOOK_SECRET", "WEBHOOK_OTHER", ""];
    expect(await store.namedByOthers("first", mine)).toEqual(["WEBHOOK_SECRET"]);
    expect(await store.namedByOthers("first", ["TELEGRAM_TOKEN"])).toEqual([]);
    expect(await store.namedByOthers("second", ["TELEGRAM_TOKEN"])).toEqual([]);
    await store.apply("first", []);
    expect(await owners()).toEqual(["second"]);
  });
});
