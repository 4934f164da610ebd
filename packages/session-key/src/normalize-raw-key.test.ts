import { describe, expect, it } from "vitest";
import { HOSTILE_FRAGMENTS } from "./arbitraries.test-support.ts";
import { type AgentId, type NormalizedKey, normalizeRawKey, parseAgentId } from "./index.ts";

const main = parseAgentId("main") as AgentId;

function refusalOf(answer: NormalizedKey) {
  if (answer.ok) throw new Error(`accepted as ${answer.key}`);
  return answer.refusal;
}

describe("where a refusal points", () => {
  it.each([
    ["the second character, of three bytes before it", "\u20acx\u200b", 4],
    ["a lone surrogate behind an emoji", "\u{1f680}\ud800", 4],
    ["trailing white space", "ab ", 2],
    ["the agent id", "agent:a b:x", 6],
    ["the end, where the rest is missing", "agent:main", 10],
    ["the rest that begins with agent:", "agent:main:agent:x", 11],
    ["the word unknown", "agent:main:unknown", 11],
    ["the bound", "k".repeat(2000), 1024],
  ])("is %s", (_what, raw, offset) => {
    expect(refusalOf(normalizeRawKey({ raw, agent: main })).offset).toBe(offset);
  });

  it("tells what its words tell also to programs: the agents, the bound", () => {
    const other = parseAgentId("other") as AgentId;
    expect(refusalOf(normalizeRawKey({ raw: "agent:main:x", agent: other }))).toMatchObject({
      ...{ reason: "AGENT_MISMATCH", values: { agent_id: "main", other_agent_id: "other" } },
    });
    expect(refusalOf(normalizeRawKey({ raw: "k".repeat(2000), agent: main }))).toMatchObject({
      ...{ reason: "KEY_TOO_LONG", values: { limit_bytes: "1024" } },
    });
  });

  it("names the character, never the key", () => {
    const { message } = refusalOf(normalizeRawKey({ raw: "secret\u200b", agent: main }));
    expect(message).toBe("the key holds a format character (U+200B)");
  });
});

describe("what an explanation shows", () => {
  it("is every rule in order, with before and after", () => {
    const { steps } = normalizeRawKey({ raw: "Agent:Main:cafe\u0301", agent: main, explain: true });
    const text = "Agent:Main:caf\u00e9";
    expect(steps).toEqual([
      {
        rule: "raw-length",
        before: "Agent:Main:cafe\u0301",
        after: "Agent:Main:cafe\u0301",
        offset: 0,
      },
      {
        rule: "characters",
        before: "Agent:Main:cafe\u0301",
        after: "Agent:Main:cafe\u0301",
        offset: 0,
      },
      { rule: "nfc", before: "Agent:Main:cafe\u0301", after: text, offset: 14 },
      { rule: "agent-prefix", before: text, after: "agent:main:caf\u00e9", offset: 0 },
      {
        rule: "agent-choice",
        before: "agent:main:caf\u00e9",
        after: "agent:main:caf\u00e9",
        offset: 0,
      },
      {
        rule: "rest-words",
        before: "agent:main:caf\u00e9",
        after: "agent:main:caf\u00e9",
        offset: 0,
      },
      {
        rule: "canonical-form",
        before: "agent:main:caf\u00e9",
        after: "agent:main:caf\u00e9",
        offset: 0,
      },
      {
        rule: "key-length",
        before: "agent:main:caf\u00e9",
        after: "agent:main:caf\u00e9",
        offset: 0,
      },
    ]);
  });

  it("ends with the rule that refused", () => {
    const { steps } = normalizeRawKey({ raw: "CURRENT", agent: main, explain: true });
    expect(steps.at(-1)).toEqual({ rule: "rest-words", before: "CURRENT", after: "", offset: 0 });
  });

  it("is empty when nobody asked", () => {
    expect(normalizeRawKey({ raw: "x", agent: main }).steps).toEqual([]);
  });
});

describe("every name of one or two troublesome fragments", () => {
  it("is kept apart from every other that is not its NFC or its folded word", () => {
    const names = ["", ...HOSTILE_FRAGMENTS].flatMap((first) =>
      HOSTILE_FRAGMENTS.map((second) => first + second),
    );
    const byKey = new Map<string, string>();
    const clashes: string[] = [];
    for (const raw of new Set(names)) {
      const answer = normalizeRawKey({ raw, agent: main });
      if (!answer.ok || answer.qualified) continue;
      const text = raw.normalize("NFC");
      const meaning = /^main$/i.test(text) ? "main" : text;
      if ((byKey.get(answer.key) ?? meaning) !== meaning) clashes.push(raw);
      byKey.set(answer.key, meaning);
    }
    expect(clashes).toEqual([]);
    expect(byKey.size).toBeGreaterThan(1000);
  });
});
