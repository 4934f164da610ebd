import { expect, test } from "vitest";
import { parseAgentId } from "./canonical-key.ts";
import { mintedAtMs, mintedKey } from "./minted-key.ts";
import { normalizeRawKey } from "./normalize-raw-key.ts";
import { isKeyRefusal } from "./refusal.ts";
import { parseCanonicalKey } from "./parse-canonical-key.ts";

const AT = Date.UTC(2026, 10, 30, 9);
const ID = `${AT.toString(16)
  .padStart(12, "0")
  .replace(/^(.{8})/, "$1-")}-7abc-8def-0123456789ab`;
const agent = parseAgentId("main");
if (agent === undefined) throw new Error("main is an agent id");

test("a minted key tells when it was minted, and is canonical as it stands", () => {
  const key = mintedKey(agent, ID);
  expect(key).toBe(`agent:main:subagent:${ID}`);
  expect(mintedAtMs(key)).toBe(AT);
  expect(normalizeRawKey({ raw: key, agent: undefined, defaultAgent: undefined })).toMatchObject({
    ok: true,
    key,
  });
});

test.each([
  ["another namespace", `agent:main:cron:${ID}`],
  ["a name that people give", "agent:main:subagent:shop"],
  ["an id of another version", `agent:main:subagent:${ID.replace("-7abc", "-8abc")}`],
  ["an id in upper case", `agent:main:subagent:${ID.toUpperCase()}`],
  ["more behind the id", `agent:main:subagent:${ID}:x`],
  ["the words elsewhere", `agent:main:x:subagent:${ID}`],
])("%s is no minted key", (_, text) => {
  const key = parseCanonicalKey(text);
  if (isKeyRefusal(key)) throw new Error(`${text} is canonical`);
  expect(mintedAtMs(key)).toBeUndefined();
});

test("what is no UUIDv7 makes no minted key", () => {
  expect(() => mintedKey(agent, "shop")).toThrow("no UUIDv7");
});
