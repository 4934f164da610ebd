import { describe, expect, it } from "vitest";
import { HOSTILE_FRAGMENTS } from "./arbitraries.test-support.ts";
import {
  type AgentId,
  type CanonicalKey,
  type CanonicalPeer,
  canonicalPeer,
  checkKeyPermission,
  type Peer,
  parseAgentId,
  parsePeerSpelling,
  peerIdentity,
  peerSpelling,
  type RuleStep,
  renderPeerKey,
  withIdentity,
} from "./index.ts";

const agent = parseAgentId("main") as AgentId;

function spelled(peer: Peer): CanonicalPeer {
  const answer = canonicalPeer(peer);
  if (!answer.ok) throw new Error(answer.refusal.message);
  return answer.peer;
}

describe("an explanation of a peer", () => {
  it("shows what each rule made of it", () => {
    const given: Peer = { channel: "slack", account: "t1", kind: "group", peer: "c1" };
    const { steps } = canonicalPeer(given, { explain: true });
    expect(steps.map(({ rule, after }) => [rule, after])).toEqual([
      ["peer-length", ":slack:t1:group:c1"],
      ["peer-shape", ":slack:t1:group:c1"],
      ["peer-components", ":slack:t1:group:c1"],
      ["channel-profile", ":slack:T1:channel:C1"],
      ["spelling-length", ":slack:T1:channel:C1"],
    ]);
  });

  it("says which rule chose the key", () => {
    const peer = spelled({ channel: "mychat", kind: "direct", peer: "x" });
    const { steps } = renderPeerKey({ agent, peer, dmScope: "per-peer", explain: true });
    expect(steps.map(({ rule, after }) => [rule, after])).toEqual([
      ["dm-scope", "agent:main:direct:mychat:x"],
      ["key-length", "agent:main:direct:mychat:x"],
    ]);
  });

  it("goes on with who may use the key", () => {
    const key = "agent:main:direct:mychat:x" as CanonicalKey;
    const trail: RuleStep[] = [];
    const caller = { outside: true, scopes: [], keyPrefixes: [], typedChannels: new Set<string>() };
    const refusal = checkKeyPermission(key, caller, trail);
    expect(refusal?.offset).toBe(11);
    expect(trail).toEqual([
      { rule: "reserved-namespace", before: key, after: key, offset: 0 },
      { rule: "typed-rendering", before: key, after: "", offset: 11 },
    ]);
  });
});

describe("a refused part", () => {
  it("is named, with the place inside it", () => {
    const answer = canonicalPeer({
      channel: "mychat",
      kind: "direct",
      peer: "x",
      thread: "\u20ac\t",
    });
    expect(!answer.ok && answer.refusal).toEqual({
      reason: "MALFORMED_KEY",
      message: "thread: holds a control character (U+0009)",
      offset: 3,
      field: "thread",
    });
  });
});

describe("an equivalence", () => {
  it("is kept without thread, and without an account that does not identify", () => {
    const discord = spelled({
      channel: "discord",
      account: "bot",
      kind: "direct",
      peer: "1",
      thread: "2",
    });
    const slack = spelled({ channel: "slack", account: "T1", kind: "direct", peer: "D1" });
    expect(peerSpelling(peerIdentity(discord))).toBe(":discord::direct:1");
    expect(peerSpelling(peerIdentity(slack))).toBe(":slack:T1:direct:D1");
  });

  it("carries the thread over to the identity that stands", () => {
    const group = { channel: "telegram", kind: "group" } as const;
    const before = spelled({ ...group, account: "bot", peer: "-5", thread: "7" });
    const after = spelled({ ...group, peer: "-1005" });
    expect(peerSpelling(withIdentity(before, after))).toBe(":telegram:bot:group:-1005:7");
  });

  it("leaves the account of another channel behind", () => {
    const discord = spelled({ channel: "discord", account: "bot", kind: "direct", peer: "1" });
    const telegram = spelled({ channel: "telegram", kind: "direct", peer: "9" });
    expect(peerSpelling(withIdentity(discord, telegram))).toBe(":telegram::direct:9");
  });
});

describe("parsePeerSpelling", () => {
  it.each([
    "",
    ":",
    "mychat::direct:x",
    ":mychat:direct:x",
    ":mychat::direct",
    ":mychat::direct:",
    ":mychat::direct:x:",
    ":mychat::direct:x:t:u",
    ":mychat::dm:x",
    ":mychat::direct:%3a",
    ":mychat::direct:%41",
    ":slack:t1:channel:C1",
    ":slack::channel:C1",
    ":slack:T1:group:C1",
    ":agent::direct:x",
    ":twitch::direct:X",
    ":mychat::direct:cafe\u0301",
  ])("refuses %j, which no peer is spelled like", (text) => {
    expect(parsePeerSpelling(text)).toBeUndefined();
  });
});

describe("every pair of troublesome parts", () => {
  it("has a spelling and a key of its own", () => {
    const parts = [...HOSTILE_FRAGMENTS, ...HOSTILE_FRAGMENTS.map((part) => `x${part}`)];
    const keys = new Map<string, string>();
    const clashes: string[] = [];
    for (const peer of parts) {
      for (const thread of [undefined, ...parts]) {
        const answer = canonicalPeer({ channel: "mychat", kind: "group", peer, thread });
        if (!answer.ok) continue;
        const meaning = JSON.stringify([answer.peer.peer, answer.peer.thread]);
        const key = renderPeerKey({ agent, peer: answer.peer, dmScope: "main" });
        if (!key.ok) continue;
        if ((keys.get(key.key) ?? meaning) !== meaning) clashes.push(meaning);
        keys.set(key.key, meaning);
      }
    }
    expect(clashes).toEqual([]);
    expect(keys.size).toBeGreaterThan(5_000);
  });
});
