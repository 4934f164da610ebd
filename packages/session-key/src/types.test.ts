import { describe, expect, it } from "vitest";
import {
  type AgentId,
  agentOf,
  type CanonicalKey,
  type CanonicalPeer,
  isKeyRefusal,
  normalizeAgentId,
  normalizeRawKey,
  type PeerSpelling,
  parseAgentId,
  parseCanonicalKey,
  peerSpelling,
  restOf,
} from "./index.ts";

/** The lines marked below must not compile; without the error the directive itself is one. */
describe("branded types", () => {
  it("let no raw string pass for a canonical key", () => {
    // @ts-expect-error a string is not a CanonicalKey
    const key: CanonicalKey = "agent:main:x";
    // @ts-expect-error a string is not a CanonicalKey
    expect(agentOf("agent:main:x")).toBe("main");
    expect(restOf(key)).toBe("x");
  });

  it("let no raw string pass for an agent id", () => {
    // @ts-expect-error a string is not an AgentId
    const agent: AgentId = "main";
    // @ts-expect-error a string is not an AgentId
    expect(normalizeRawKey({ raw: "x", agent: "main" }).ok).toBe(true);
    expect(agent).toBe("main");
  });

  it("let no canonical key pass for an agent id, nor the other way round", () => {
    const agent = parseAgentId("main") as AgentId;
    // @ts-expect-error an AgentId is not a CanonicalKey
    const key: CanonicalKey = agent;
    // @ts-expect-error a CanonicalKey is not an AgentId
    const id: AgentId = key;
    expect(id).toBe(agent);
  });

  it("let no peer be rendered that was not put into its one spelling", () => {
    // @ts-expect-error a Peer is not a CanonicalPeer
    const peer: CanonicalPeer = { channel: "mychat", kind: "direct", peer: "x" };
    // @ts-expect-error a string is not a PeerSpelling
    const spelling: PeerSpelling = ":mychat::direct:x";
    expect(peerSpelling(peer)).toBe(spelling);
  });

  it("make a caller tell a refusal from a key", () => {
    const parsed = parseCanonicalKey("agent:main:a:b");
    // @ts-expect-error the answer may be a refusal
    const unchecked: CanonicalKey = parsed;
    if (isKeyRefusal(parsed)) throw new Error(parsed.message);
    const key: CanonicalKey = parsed;
    expect([key, agentOf(key), restOf(key)]).toEqual([unchecked, "main", "a:b"]);
  });
});

describe("agent ids", () => {
  it("are taken strictly from storage, and folded from a caller", () => {
    expect(parseAgentId("Main")).toBeUndefined();
    expect(normalizeAgentId("Main")).toBe("main");
    expect(normalizeAgentId("m\u00c4in")).toBeUndefined();
    expect(normalizeAgentId("\u212aing")).toBeUndefined();
    expect(parseAgentId("main\n")).toBeUndefined();
    expect(parseAgentId("")).toBeUndefined();
  });
});
