import { describe, expect, test } from "vitest";
import { isMistyped } from "../../credentials/key-text.ts";
import { MAX_KEYS, TestApiKeys } from "../../testing/test-api-keys.ts";

const keys = new TestApiKeys();
const { call, whois, clear, dump } = keys;

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
    expect(listed.text + keys.lane.log.text() + (await dump())).not.toContain(secret);
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
    expect(refused.text).toContain(`"limit":"${MAX_KEYS}"`);
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
    expect(await whois(keyText, keys.other)).toMatchObject({ scopes: ["chat"] });
    await keys.db.query(
      "UPDATE api_keys SET expire_time = clock_timestamp() WHERE expire_time > now()",
    );
    expect(await whois(keyText, keys.other)).toBe(401);
    expect((await call("ListApiKeys", {})).apiKeys).toHaveLength(1);
    expect((await call("ListApiKeys", { includeEnded: true })).apiKeys).toHaveLength(2);
  });
});
