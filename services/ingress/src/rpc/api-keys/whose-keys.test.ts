import { describe, expect, test } from "vitest";
import { OTHERS_ADMIN, TestApiKeys, type Told } from "../../testing/test-api-keys.ts";

const keys = new TestApiKeys();
const { call, whois, clear } = keys;

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
  const told = keys.lane.log.lines
    .filter((line) => line["api_key_id"] === apiKeyId)
    .map(({ msg, tenant, principal }) => [msg, tenant, principal]);
  expect(told).toEqual([
    ["an API key was made", "acme", "bootstrap"],
    ["an API key was rotated", "acme", "bootstrap"],
    ["an API key was revoked", "acme", apiKeyId],
  ]);
  for (const text of [keyText, second]) expect(keys.lane.log.text()).not.toContain(text.slice(-49));
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
