import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  type AgentId,
  type CanonicalKey,
  canonicalPeer,
  checkKeyPermission,
  DEFAULT_DM_SCOPE,
  type DmScope,
  isKeyRefusal,
  type KeyCaller,
  type KeyRefusal,
  normalizeRawKey,
  type Peer,
  PROFILED_CHANNELS,
  parseAgentId,
  parseCanonicalKey,
  parsePeerSpelling,
  parsePerson,
  peerSpelling,
  RULE_SET_VERSION,
  renderPeerKey,
} from "./index.ts";

interface RawVector {
  raw: string;
  agent?: string;
  default_agent?: string;
  why: string;
}
interface PeerVector {
  peer: Peer;
  agent: string;
  dm_scope?: DmScope;
  person?: string;
}
interface Vectors {
  rule_set_version: number;
  accept: (RawVector & { canonical: string })[];
  refuse: (RawVector & { reason: string })[];
  refuse_utf16: { utf16: string; agent: string; reason: string; why: string }[];
  not_canonical: { key: string; reason: string; why: string }[];
  permission: {
    key: string;
    outside: boolean;
    scopes: string[];
    key_prefixes: string[];
    typed_channels: string[];
    reason: string | null;
    why: string;
  }[];
  peers: {
    a: Peer;
    b: Peer;
    agent: string;
    dm_scope?: DmScope;
    expect: "same" | "distinct";
    why: string;
  }[];
  keys: (PeerVector & { canonical: string })[];
  bad_peers: (PeerVector & { reason: string; field?: string; why: string })[];
  spellings: { peer: Peer; spelling: string; why: string }[];
}

const file = new URL("../vectors/session-keys.v1.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as Vectors;

/** Whom the lists `accept` and `refuse` suppose. */
const ADAPTER: KeyCaller = {
  outside: true,
  scopes: ["chat", "adapter"],
  keyPrefixes: [],
  typedChannels: new Set(),
};

function agentId(text: string): AgentId {
  const agent = parseAgentId(text);
  if (agent === undefined) throw new Error(`no agent id: ${text}`);
  return agent;
}

function keyOf(vector: RawVector): CanonicalKey | KeyRefusal {
  const { raw, agent, default_agent: fallback } = vector;
  const read = normalizeRawKey({
    raw,
    agent: agent === undefined ? undefined : agentId(agent),
    defaultAgent: fallback === undefined ? undefined : agentId(fallback),
  });
  return read.ok ? (checkKeyPermission(read.key, ADAPTER) ?? read.key) : read.refusal;
}

function peerKey(vector: PeerVector): CanonicalKey | KeyRefusal {
  const spelled = canonicalPeer(vector.peer);
  if (!spelled.ok) return spelled.refusal;
  const person = vector.person === undefined ? undefined : parsePerson(vector.person);
  if (isKeyRefusal(person)) return person;
  const dmScope = vector.dm_scope ?? DEFAULT_DM_SCOPE;
  const agent = agentId(vector.agent);
  const rendered = renderPeerKey({ agent, peer: spelled.peer, dmScope, person });
  return rendered.ok ? rendered.key : rendered.refusal;
}

/** A short title: keys of a thousand characters would drown the report. */
function title(index: number, text: string): string {
  return `${index}: ${JSON.stringify(text).slice(0, 60)}`;
}

describe("published vectors", () => {
  it("are of the rule set that this package implements", () => {
    expect(vectors.rule_set_version).toBe(RULE_SET_VERSION);
  });

  it("number at least 250 and name every channel of the profile table", () => {
    const lists = Object.values(vectors).filter((value) => Array.isArray(value));
    expect(lists.flat().length).toBeGreaterThanOrEqual(250);
    const named = new Set(vectors.keys.map(({ peer }) => peer.channel));
    expect(PROFILED_CHANNELS.filter((channel) => !named.has(channel))).toEqual([]);
  });

  describe("accept", () => {
    vectors.accept.forEach((vector, index) => {
      it(`${title(index, vector.raw)} ${vector.why}`, () => {
        expect(keyOf(vector)).toBe(vector.canonical);
        expect(parseCanonicalKey(vector.canonical)).toBe(vector.canonical);
      });
    });
  });

  describe("refuse", () => {
    vectors.refuse.forEach((vector, index) => {
      it(`${title(index, vector.raw)} ${vector.why}`, () => {
        expect(keyOf(vector)).toMatchObject({ reason: vector.reason });
      });
    });
    vectors.refuse_utf16.forEach(({ utf16, agent, reason, why }, index) => {
      it(`${title(index, utf16)} ${why}`, () => {
        const units = (utf16.match(/..../g) ?? []).map((unit) => Number.parseInt(unit, 16));
        const raw = String.fromCharCode(...units);
        expect(keyOf({ raw, agent, why })).toMatchObject({ reason });
      });
    });
  });

  describe("not canonical", () => {
    vectors.not_canonical.forEach(({ key, reason, why }, index) => {
      it(`${title(index, key)} ${why}`, () => {
        expect(parseCanonicalKey(key)).toMatchObject({ reason });
      });
    });
  });

  describe("permission", () => {
    vectors.permission.forEach((vector, index) => {
      it(`${title(index, vector.key)} ${vector.why}`, () => {
        const key = parseCanonicalKey(vector.key);
        if (isKeyRefusal(key)) throw new Error(key.message);
        const caller: KeyCaller = {
          outside: vector.outside,
          scopes: vector.scopes,
          keyPrefixes: vector.key_prefixes,
          typedChannels: new Set(vector.typed_channels),
        };
        expect(checkKeyPermission(key, caller)?.reason ?? null).toBe(vector.reason);
      });
    });
  });

  describe("peers", () => {
    vectors.peers.forEach(({ a, b, expect: relation, why, ...rest }, index) => {
      it(`${title(index, `${a.channel} ${a.peer}`)} and ${b.peer}: ${relation}, ${why}`, () => {
        const [left, right] = [peerKey({ peer: a, ...rest }), peerKey({ peer: b, ...rest })];
        expect(typeof left).toBe("string");
        expect(typeof right).toBe("string");
        expect(left === right).toBe(relation === "same");
      });
    });
  });

  describe("keys", () => {
    vectors.keys.forEach((vector, index) => {
      it(`${title(index, vector.canonical)} ${vector.dm_scope ?? ""}`, () => {
        expect(peerKey(vector)).toBe(vector.canonical);
        expect(parseCanonicalKey(vector.canonical)).toBe(vector.canonical);
      });
    });
  });

  describe("bad peers", () => {
    vectors.bad_peers.forEach((vector, index) => {
      it(`${title(index, `${vector.peer.channel} ${vector.peer.peer}`)} ${vector.why}`, () => {
        const { reason, field } = vector;
        expect(peerKey(vector)).toMatchObject(field === undefined ? { reason } : { reason, field });
      });
    });
  });

  describe("spellings", () => {
    vectors.spellings.forEach(({ peer, spelling, why }, index) => {
      it(`${title(index, spelling)} ${why}`, () => {
        const spelled = canonicalPeer(peer);
        expect(spelled.ok && peerSpelling(spelled.peer)).toBe(spelling);
        expect(parsePeerSpelling(spelling)).toEqual(spelled.ok && spelled.peer);
      });
    });
  });
});
