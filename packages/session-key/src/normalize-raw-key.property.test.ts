import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agent, anyText, SEARCH } from "./arbitraries.test-support.ts";
import { agentOf, restOf } from "./canonical-key.ts";
import { normalizeRawKey } from "./normalize-raw-key.ts";
import { parseCanonicalKey } from "./parse-canonical-key.ts";
import { MAX_KEY_BYTES } from "./rule-set.ts";

const input = fc.record({
  raw: fc.oneof(
    anyText,
    fc
      .tuple(fc.constantFrom("agent:", "AGENT:"), agent, anyText)
      .map(([a, b, c]) => `${a}${b}:${c}`),
  ),
  agent: fc.option(agent, { nil: undefined }),
  defaultAgent: fc.option(agent, { nil: undefined }),
});

/** What rules 2, 3 and 5 may make equal, said a second time and in another way. */
function meaning(raw: string): string {
  const text = raw.normalize("NFC");
  const rest = /^agent:([^:]*):(.*)$/is.exec(text);
  const [agentText, restText] = rest ? [rest[1]?.toLowerCase(), rest[2] ?? ""] : ["", text];
  return JSON.stringify([agentText, /^main$/i.test(restText) ? "main" : restText]);
}

describe("normalizeRawKey, over any text", () => {
  it("accepts or refuses, never throws, and answers the same twice", () => {
    fc.assert(
      fc.property(input, (given) => {
        const answer = normalizeRawKey(given);
        expect(normalizeRawKey(given)).toEqual(answer);
        expect(answer.ok || answer.refusal.message.length > 0).toBe(true);
      }),
      SEARCH,
    );
  });

  it("gives keys that are canonical, whatever they were made from", () => {
    fc.assert(
      fc.property(input, (given) => {
        const answer = normalizeRawKey(given);
        if (!answer.ok) return;
        expect(parseCanonicalKey(answer.key)).toBe(answer.key);
        expect(answer.key.normalize("NFC")).toBe(answer.key);
        expect(Buffer.byteLength(answer.key)).toBeLessThanOrEqual(MAX_KEY_BYTES);
        expect(`agent:${agentOf(answer.key)}:${restOf(answer.key)}`).toBe(answer.key);
      }),
      SEARCH,
    );
  });

  it("gives its own output back", () => {
    fc.assert(
      fc.property(input, (given) => {
        const answer = normalizeRawKey(given);
        if (!answer.ok) return;
        const again = normalizeRawKey({ raw: answer.key, agent: answer.agent });
        expect(again).toMatchObject({ ok: true, key: answer.key, qualified: true });
      }),
      SEARCH,
    );
  });

  it("keeps names apart that differ by more than NFC, the head's case and the word main", () => {
    const byKey = new Map<string, string>();
    fc.assert(
      fc.property(anyText, (raw) => {
        const answer = normalizeRawKey({ raw, defaultAgent: undefined, agent: undefined });
        const unqualified = answer.ok ? answer : normalizeRawKey({ raw, agent: fixedAgent });
        if (!unqualified.ok) return;
        const key = `${unqualified.qualified} ${unqualified.key}`;
        expect(byKey.get(key) ?? meaning(raw)).toBe(meaning(raw));
        byKey.set(key, meaning(raw));
      }),
      SEARCH,
    );
    expect(byKey.size).toBeGreaterThan(SEARCH.numRuns / 10);
  });

  it("answers alike whether or not it explains itself", () => {
    fc.assert(
      fc.property(input, (given) => {
        const explained = normalizeRawKey({ ...given, explain: true });
        expect({ ...explained, steps: [] }).toEqual(normalizeRawKey(given));
      }),
      SEARCH,
    );
  });

  it("points inside the text that the refusing rule looked at", () => {
    fc.assert(
      fc.property(input, (given) => {
        const { steps, ...answer } = normalizeRawKey({ ...given, explain: true });
        const last = steps.at(-1);
        if (answer.ok) return;
        expect(last?.offset).toBe(answer.refusal.offset);
        expect(answer.refusal.offset).toBeLessThanOrEqual(Buffer.byteLength(last?.before ?? ""));
      }),
      SEARCH,
    );
  });
});

describe("parseCanonicalKey, over any text", () => {
  it("takes exactly what normalizing leaves as it is", () => {
    fc.assert(
      fc.property(input, ({ raw }) => {
        const answer = normalizeRawKey({ raw });
        const canonical = answer.ok && answer.qualified && answer.key === raw;
        expect(typeof parseCanonicalKey(raw) === "string").toBe(canonical);
      }),
      SEARCH,
    );
  });
});

const fixed = normalizeRawKey({ raw: "agent:main:main" });
if (!fixed.ok) throw new Error("agent:main:main is canonical");
const fixedAgent = fixed.agent;
