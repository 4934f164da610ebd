import { startThrowawayPostgres } from "@lanekeeper/embedded-postgres";
import { createDatabase, type Database, migrate } from "@lanekeeper/postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SCHEMA } from "../../config.ts";
import { hashKey, SCOPES } from "../../credentials/credential.ts";
import { isMistyped } from "../../credentials/key-text.ts";
import { credentialStore } from "../../credentials/store.ts";
import { apiKeyStore } from "../../keys/store.ts";
import { DEFAULT_LIMITS } from "../../limits.ts";
import { MIGRATIONS } from "../../start.ts";
import { ask } from "../../testing/ask.ts";
import { startTestIngress, type TestIngress } from "../../testing/test-ingress.ts";

const ADMIN = "an-admins-first-key-0123456789";
const OTHERS_ADMIN = "another-tenants-first-key-0123456789";
const MAX_KEYS = 6;

let server: Awaited<ReturnType<typeof startThrowawayPostgres>>;
let db: Database<unknown>;
let lane: TestIngress;
/** Another replica on the same database. */
let other: TestIngress;

beforeAll(async () => {
  server = await startThrowawayPostgres();
  const log = (): void => undefined;
  await migrate({ url: server.url, schema: SCHEMA, directory: MIGRATIONS, log });
  db = createDatabase({ url: server.url, schema: SCHEMA, poolSize: 4, applicationName: "t", log });
  const credentials = credentialStore(db);
  const put = (tenant: string, principal: string, key: string) =>
    credentials.put(
      {
        ...{ tenant, principal, keyHash: hashKey(key), scopes: SCOPES },
        ...{ agents: [], keyPrefixes: [], rateLimit: undefined, tenantRateLimit: undefined },
      },
      "",
    );
  await put("acme", "bootstrap", ADMIN);
  await put("others", "others-first", OTHERS_ADMIN);
  const keyLimits = { ...DEFAULT_LIMITS, maxKeysPerTenant: MAX_KEYS, maxEndedKeysPerTenant: 2 };
  const stores = { credentialStore: credentials, apiKeyStore: apiKeyStore(db, keyLimits) };
  lane = await startTestIngress({ stores, limits: { lastUseFlushMs: 5 } });
  other = await startTestIngress({ stores, limits: { credentialFreshMs: 0 } });
});

afterAll(async () => {
  await lane?.[Symbol.asyncDispose]();
  await other?.[Symbol.asyncDispose]();
  await db?.close();
  await server?.stop();
});

interface Key {
  readonly apiKeyId: string;
  readonly [name: string]: unknown;
}

interface Told {
  readonly status: number;
  readonly text: string;
  readonly apiKey: Key;
  readonly keyText: string;
  readonly apiKeys: readonly Key[];
  readonly nextPageToken?: string;
}

let calls = 0;

/** Calls an RPC with a key; what makes or rotates gets a request id of its own. */
async function call(method: string, body: object, key = ADMIN, at = lane): Promise<Told> {
  calls += 1;
  const withId = /Create|Rotate/.test(method) ? { requestId: `r-${calls}`, ...body } : body;
  const path = `/lanekeeper.ingress.v1.ApiKeyService/${method}`;
  const headers = { authorization: `Bearer ${key}` };
  const { status, text, json } = await ask(at, { path, body: withId, headers });
  return { status, text, ...(json as Omit<Told, "status" | "text">) };
}

/** Whom a key stands for, or the status by which it is refused. */
async function whois(key: string, at = lane): Promise<unknown> {
  const path = "/lanekeeper.ingress.v1.IngressService/GetCaller";
  const headers = { authorization: `Bearer ${key}` };
  const { status, json } = await ask(at, { path, body: {}, headers });
  return status === 200 ? json : status;
}

/** Ends all keys but the first ones. */
async function clear(): Promise<void> {
  await db.query("DELETE FROM api_keys WHERE create_principal <> ''");
}

describe("a key that is made", () => {
  test("acts for its tenant with its scopes and bounds; its text is told once and stored nowhere", async () => {
    await clear();
    const made = await call("CreateApiKey", {
      label: "CRM",
      scopes: ["operator", "chat"],
      agentIds: ["main"],
      sessionKeyPrefixes: ["agent:main:crm:"],
      rateLimit: { requestsPerMinute: 600 },
      lifetime: "86400s",
    });
    const { apiKeyId } = made.apiKey;
    expect(made.keyText).toContain(`lk1_${apiKeyId}_`);
    expect(isMistyped(made.keyText)).toBe(false);
    expect(await whois(made.keyText)).toEqual({
      tenant: "acme",
      principal: apiKeyId,
      scopes: ["chat", "operator"],
      agentIds: ["main"],
      sessionKeyPrefixes: ["agent:main:crm:"],
    });
    const listed = await call("ListApiKeys", {});
    expect(listed.apiKeys.find((key) => key.apiKeyId === apiKeyId)).toMatchObject({
      label: "CRM",
      scopes: ["chat", "operator"],
      rateLimit: { requestsPerMinute: 600, burst: 600 },
      createPrincipal: "bootstrap",
      expireTime: expect.any(String),
    });
    const secret = made.keyText.slice(-49);
    expect(listed.text + lane.log.text() + (await dump())).not.toContain(secret);
  });

  test("is one for each request id: a repeat shows no text, other content is refused", async () => {
    await clear();
    const body = { requestId: "once", scopes: ["chat"] };
    const [one, two] = await Promise.all([call("CreateApiKey", body), call("CreateApiKey", body)]);
    expect(two.apiKey.apiKeyId).toBe(one.apiKey.apiKeyId);
    expect([one.keyText, two.keyText].filter((text) => text !== undefined)).toHaveLength(1);
    const changed = await call("CreateApiKey", { ...body, scopes: ["admin"] });
    expect(changed.text).toContain("IDEMPOTENCY_MISMATCH");
    expect((await call("ListApiKeys", {})).apiKeys).toHaveLength(2);
  });

  test("is one too many at the bound: QUOTA", async () => {
    await clear();
    for (let i = 1; i < MAX_KEYS; i += 1) await call("CreateApiKey", { scopes: ["chat"] });
    const refused = await call("CreateApiKey", { scopes: ["chat"] });
    expect([refused.status, refused.text]).toEqual([429, expect.stringContaining("QUOTA")]);
  });

  test.each([
    ["no request id", { requestId: "", scopes: ["chat"] }, "request_id"],
    ["no scope", { scopes: [] }, "scopes"],
    ["an unknown scope", { scopes: ["chat", "root"] }, "scopes[1]"],
    ["a malformed agent", { scopes: ["chat"], agentIds: ["Main"] }, "agent_ids[0]"],
    ["a prefix without agent", { scopes: ["chat"], sessionKeyPrefixes: ["crm:"] }, "prefixes[0]"],
    [
      "a prefix of another agent",
      { scopes: ["chat"], agentIds: ["a"], sessionKeyPrefixes: ["agent:b:"] },
      "session_key_prefixes[0]",
    ],
    [
      "a prefix in another normal form",
      { scopes: ["chat"], sessionKeyPrefixes: ["agent:a:e\u0301"] },
      "session_key_prefixes[0]",
    ],
    ["a limit of nothing", { scopes: ["chat"], rateLimit: {} }, "requests_per_minute"],
    ["a life of a second", { scopes: ["chat"], lifetime: "1s" }, "lifetime"],
    ["a long label", { scopes: ["chat"], label: "x".repeat(201) }, "label"],
    ["33 agents", { scopes: ["chat"], agentIds: Array.from({ length: 33 }, () => "a") }, "agent_"],
  ])("with %s is refused, and none is made", async (_what, body, field) => {
    await clear();
    const { status, text } = await call("CreateApiKey", body);
    expect([status, text]).toEqual([400, expect.stringContaining(field)]);
    expect((await call("ListApiKeys", {})).apiKeys).toHaveLength(1);
  });

  test("ends by itself at its time", async () => {
    await clear();
    const { keyText } = await call("CreateApiKey", { scopes: ["chat"], lifetime: "60s" });
    expect(await whois(keyText, other)).toMatchObject({ scopes: ["chat"] });
    await db.query("UPDATE api_keys SET expire_time = clock_timestamp() WHERE expire_time > now()");
    expect(await whois(keyText, other)).toBe(401);
    expect((await call("ListApiKeys", {})).apiKeys).toHaveLength(1);
    expect((await call("ListApiKeys", { includeEnded: true })).apiKeys).toHaveLength(2);
  });
});

describe("a rotated key", () => {
  test("keeps its id; its text of before is good until the overlap is over, then its own alone", async () => {
    await clear();
    const { keyText: first, apiKey } = await call("CreateApiKey", { scopes: ["chat"] });
    const { apiKeyId } = apiKey;
    const rotated = await call("RotateApiKey", { apiKeyId, overlap: "600s" });
    expect(rotated.apiKey["previousExpireTime"]).toEqual(expect.any(String));
    for (const text of [first, rotated.keyText]) {
      expect(await whois(text, other)).toMatchObject({ principal: apiKeyId });
    }
    await db.query("UPDATE api_keys SET previous_expire_time = clock_timestamp()");
    expect(await whois(first, other)).toBe(401);
    expect(await whois(rotated.keyText, other)).toMatchObject({ principal: apiKeyId });
  });

  test("without an overlap ends its text of before at once; twice, the first of three", async () => {
    await clear();
    const { keyText: first, apiKey } = await call("CreateApiKey", { scopes: ["chat"] });
    const { apiKeyId } = apiKey;
    const { keyText: second } = await call("RotateApiKey", { apiKeyId, overlap: "0s" });
    expect(await whois(first)).toBe(401);
    const { keyText: third } = await call("RotateApiKey", { apiKeyId });
    const { keyText: fourth } = await call("RotateApiKey", { apiKeyId });
    const all = await Promise.all([second, third, fourth].map((text) => whois(text)));
    expect(all).toEqual([401, expect.anything(), expect.anything()]);
  });

  test("is rotated once for each request id", async () => {
    await clear();
    const { apiKey } = await call("CreateApiKey", { scopes: ["chat"] });
    const body = { requestId: "rotate-once", apiKeyId: apiKey.apiKeyId, overlap: "0s" };
    const { keyText } = await call("RotateApiKey", body);
    const repeat = await call("RotateApiKey", body);
    expect([repeat.status, repeat.keyText]).toEqual([200, undefined]);
    expect(await whois(keyText)).toMatchObject({ scopes: ["chat"] });
  });
});

describe("a revoked key", () => {
  test("is refused at once where it was revoked, and at others when they look again; for good", async () => {
    await clear();
    const { keyText, apiKey } = await call("CreateApiKey", { scopes: ["chat"] });
    const { apiKeyId } = apiKey;
    expect(await whois(keyText)).toMatchObject({ principal: apiKeyId });
    expect(await whois(keyText, other)).toMatchObject({ principal: apiKeyId });
    const revoked = await call("RevokeApiKey", { apiKeyId });
    expect([await whois(keyText), await whois(keyText, other)]).toEqual([401, 401]);
    const again = await call("RevokeApiKey", { apiKeyId });
    expect(again.apiKey["revokeTime"]).toBe(revoked.apiKey["revokeTime"]);
    const rotated = await call("RotateApiKey", { apiKeyId });
    expect([rotated.status, rotated.text]).toEqual([400, expect.stringContaining("has ended")]);
  });

  test("is forgotten when its time of being listed is over", async () => {
    await clear();
    const { apiKey } = await call("CreateApiKey", { scopes: ["chat"] });
    await call("RevokeApiKey", { apiKeyId: apiKey.apiKeyId });
    await db.query("UPDATE api_keys SET revoke_time = revoke_time - interval '91 days'");
    await call("CreateApiKey", { scopes: ["chat"] });
    const listed = await call("ListApiKeys", { includeEnded: true });
    expect(listed.apiKeys.map(({ apiKeyId }) => apiKeyId)).not.toContain(apiKey.apiKeyId);
  });

  test("is forgotten when as many others have ended since as are listed", async () => {
    await clear();
    const ended: string[] = [];
    for (let i = 0; i < 4; i += 1) {
      const { apiKey } = await call("CreateApiKey", { scopes: ["chat"] });
      await call("RevokeApiKey", { apiKeyId: apiKey.apiKeyId });
      ended.push(apiKey.apiKeyId);
    }
    const { apiKey: live } = await call("CreateApiKey", { scopes: ["chat"] });
    const { apiKeys } = await call("ListApiKeys", { includeEnded: true });
    const ids = apiKeys.map(({ apiKeyId }) => apiKeyId);
    expect(ids).toEqual(["bootstrap", ...ended.slice(2), live.apiKeyId]);
  });

  test("is never the first credential, which the environment gives", async () => {
    for (const method of ["RevokeApiKey", "RotateApiKey"]) {
      const { status, text } = await call(method, { apiKeyId: "bootstrap" });
      expect([status, text]).toEqual([400, expect.stringContaining("LANEKEEPER_API_KEY")]);
    }
  });
});

describe("whose keys", () => {
  test("another tenant's is like one that never was, in status and words", async () => {
    await clear();
    const { apiKey, keyText } = await call("CreateApiKey", { scopes: ["chat"] });
    const { apiKeyId } = apiKey;
    const never = "0123456789abcdef";
    for (const method of ["RevokeApiKey", "RotateApiKey"]) {
      const [theirs, none] = await Promise.all([
        call(method, { apiKeyId }, OTHERS_ADMIN),
        call(method, { apiKeyId: never }, OTHERS_ADMIN),
      ]);
      expect(theirs.status).toBe(404);
      // The details repeat the name in base64.
      const said = ({ text }: Told) => text.replace(/"value":"[^"]*"/, "");
      expect(said(theirs).replaceAll(apiKeyId, never)).toBe(said(none));
    }
    expect((await call("ListApiKeys", {}, OTHERS_ADMIN)).apiKeys).toHaveLength(1);
    expect(await whois(keyText)).toMatchObject({ principal: apiKeyId });
  });

  test("only an admin manages them", async () => {
    await clear();
    const { keyText } = await call("CreateApiKey", { scopes: ["chat", "adapter", "operator"] });
    for (const method of ["CreateApiKey", "ListApiKeys", "RotateApiKey", "RevokeApiKey"]) {
      const { status, text } = await call(method, {}, keyText);
      expect([status, text]).toEqual([403, expect.stringContaining("lacks the scope admin")]);
    }
  });

  test("a bound admin hands out and manages what lies within its bounds, and knows of no other", async () => {
    await clear();
    const scopes = ["admin"];
    const bounds = { agentIds: ["main"], sessionKeyPrefixes: ["agent:main:crm:"] };
    const { keyText: bound } = await call("CreateApiKey", { scopes, ...bounds });
    const wide = await call("CreateApiKey", { scopes: ["chat"] });
    for (const more of [
      {},
      { agentIds: ["main"] },
      { agentIds: ["other"], sessionKeyPrefixes: ["agent:other:"] },
      { agentIds: ["main"], sessionKeyPrefixes: ["agent:main:"] },
    ]) {
      const refused = await call("CreateApiKey", { scopes: ["chat"], ...more }, bound);
      expect([refused.status, refused.text]).toEqual([403, expect.stringContaining("your own")]);
    }
    const within = { agentIds: ["main"], sessionKeyPrefixes: ["agent:main:crm:7:"] };
    const made = await call("CreateApiKey", { scopes: ["chat"], ...within }, bound);
    const { apiKeys } = await call("ListApiKeys", {}, bound);
    expect(apiKeys.map(({ apiKeyId }) => apiKeyId)).toContain(made.apiKey.apiKeyId);
    expect(apiKeys.map(({ apiKeyId }) => apiKeyId)).not.toContain(wide.apiKey.apiKeyId);
    const { apiKeyId } = wide.apiKey;
    expect((await call("RevokeApiKey", { apiKeyId }, bound)).status).toBe(404);
    expect(await whois(wide.keyText)).toMatchObject({ principal: apiKeyId });
  });

  test("pages are whole and in the order of making", async () => {
    await clear();
    const ids = ["bootstrap"];
    for (let i = 0; i < 4; i += 1) {
      ids.push((await call("CreateApiKey", { scopes: ["chat"] })).apiKey.apiKeyId);
    }
    const seen: string[] = [];
    let pageToken = "";
    do {
      const page = await call("ListApiKeys", { pageSize: 2, pageToken });
      seen.push(...page.apiKeys.map(({ apiKeyId }) => apiKeyId));
      pageToken = page.nextPageToken ?? "";
    } while (pageToken !== "");
    expect(seen).toEqual(ids);
  });
});

test("who made, rotated and revoked which key stands in the log, with no text", async () => {
  await clear();
  const { apiKey, keyText } = await call("CreateApiKey", { scopes: ["admin"] });
  const { apiKeyId } = apiKey;
  const { keyText: second } = await call("RotateApiKey", { apiKeyId });
  await call("RevokeApiKey", { apiKeyId }, second);
  const told = lane.log.lines
    .filter((line) => line["api_key_id"] === apiKeyId)
    .map(({ msg, tenant, principal }) => [msg, tenant, principal]);
  expect(told).toEqual([
    ["an API key was made", "acme", "bootstrap"],
    ["an API key was rotated", "acme", "bootstrap"],
    ["an API key was revoked", "acme", apiKeyId],
  ]);
  for (const text of [keyText, second]) expect(lane.log.text()).not.toContain(text.slice(-49));
});

test("when a key was last shown is written for all of them together", async () => {
  await clear();
  const { keyText, apiKey } = await call("CreateApiKey", { scopes: ["chat"] });
  const read = async () => {
    const { apiKeys } = await call("ListApiKeys", {});
    return apiKeys.find(({ apiKeyId }) => apiKeyId === apiKey.apiKeyId)?.["lastUseTime"];
  };
  expect(await read()).toBeUndefined();
  await whois(keyText);
  await expect.poll(read).toEqual(expect.any(String));
});

async function dump(): Promise<string> {
  const { rows } = await db.query("SELECT to_jsonb(k)::text AS row FROM api_keys k");
  return JSON.stringify(rows);
}
