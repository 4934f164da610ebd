import { describe, expect, test } from "vitest";
import { TestApiKeys } from "../../testing/test-api-keys.ts";

const keys = new TestApiKeys();
const { call, whois, clear } = keys;

describe("a rotated key", () => {
  test("keeps its id; its text of before is good until the overlap is over, then its own alone", async () => {
    await clear();
    const { keyText: first, apiKey } = await call("CreateApiKey", { scopes: ["chat"] });
    const { apiKeyId } = apiKey;
    const rotated = await call("RotateApiKey", { apiKeyId, overlap: "600s" });
    expect(rotated.apiKey["previousExpireTime"]).toEqual(expect.any(String));
    for (const text of [first, rotated.keyText]) {
      expect(await whois(text, keys.other)).toMatchObject({ principal: apiKeyId });
    }
    await keys.db.query("UPDATE api_keys SET previous_expire_time = clock_timestamp()");
    expect(await whois(first, keys.other)).toBe(401);
    expect(await whois(rotated.keyText, keys.other)).toMatchObject({ principal: apiKeyId });
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
    expect(await whois(keyText, keys.other)).toMatchObject({ principal: apiKeyId });
    const revoked = await call("RevokeApiKey", { apiKeyId });
    expect([await whois(keyText), await whois(keyText, keys.other)]).toEqual([401, 401]);
    const again = await call("RevokeApiKey", { apiKeyId });
    expect(again.apiKey["revokeTime"]).toBe(revoked.apiKey["revokeTime"]);
    const rotated = await call("RotateApiKey", { apiKeyId });
    expect([rotated.status, rotated.text]).toEqual([400, expect.stringContaining("has ended")]);
  });

  test("is forgotten when its time of being listed is over", async () => {
    await clear();
    const { apiKey } = await call("CreateApiKey", { scopes: ["chat"] });
    await call("RevokeApiKey", { apiKeyId: apiKey.apiKeyId });
    await keys.db.query("UPDATE api_keys SET revoke_time = revoke_time - interval '91 days'");
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
