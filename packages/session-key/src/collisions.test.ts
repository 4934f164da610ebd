import { describe, expect, it } from "vitest";
import {
  type CanonicalPeer,
  canonicalPeer,
  DM_SCOPES,
  type DmScope,
  renderPeerKey,
} from "./index.ts";
import { PEER_KINDS, type Peer, parseAgentId, parsePerson, type Person } from "./index.ts";
import { profileOf } from "./channel-profiles.ts";

/**
 * Every combination of parts that look like one another, like the grammar's words, or like an
 * escape, under every dm scope at once: about 130,000 peers. A key that two of them share is a
 * collision, unless what follows says that they are meant to be one.
 */
const CHANNELS = ["mychat", "thread", "direct1", "slack", "telegram", "sms", "email", "whatsapp"];
const ACCOUNTS = [undefined, "direct", "group", "thread", "x:direct", "%3A"];
const IDS: Readonly<Record<string, readonly string[]>> = {
  telegram: ["1", "-1", "@thread", "@direct"],
  sms: ["+13179650799", "13179", "thread", "direct"],
  email: ["a@b.org", "a:thread@b.org", "thread@b.org"],
  whatsapp: ["13179650799", "7@lid", "7@g.us", "13179650799@g.us"],
};
const NAMES = [
  "x",
  "thread",
  "x:thread:x",
  "direct",
  "a:b",
  "a%3Ab",
  "x:\u030a",
  "x%CC%8A",
  "%",
  ":",
];
const THREADS = [undefined, "x", "thread", "x:x", "direct", "\u030a", "%3A"];
const PEOPLE = [undefined, "x", "x:thread:x", "phone"];

const agent = parseAgentId("main");
if (agent === undefined) throw new Error("main is an agent id");

function* everyPeer(): Generator<CanonicalPeer> {
  for (const channel of CHANNELS) {
    for (const account of ACCOUNTS) {
      for (const kind of PEER_KINDS) {
        for (const peer of IDS[channel] ?? NAMES) {
          for (const thread of THREADS) yield* accepted({ channel, account, kind, peer, thread });
        }
      }
    }
  }
}

function* accepted(given: Peer): Generator<CanonicalPeer> {
  const answer = canonicalPeer(given);
  if (answer.ok) yield answer.peer;
}

function personOf(text: string | undefined): Person | undefined {
  const person = text === undefined ? undefined : parsePerson(text);
  if (typeof person === "object") throw new Error(person.message);
  return person;
}

/** Which conversation is meant, by the words of the rules and without a word of the rendering. */
function meant(peer: CanonicalPeer, scope: DmScope, person: string | undefined): string {
  const profile = profileOf(peer.channel);
  const account = profile.account === "not-identifying" ? undefined : peer.account;
  const thread = peer.thread === undefined ? null : [peer.channel, account, peer.peer, peer.thread];
  const within = [peer.channel, account, peer.kind, peer.peer, peer.thread];
  if (peer.kind !== "direct") return JSON.stringify(["channel", ...within]);
  if (scope === "main") return JSON.stringify(["main", thread]);
  if (person !== undefined) return JSON.stringify(["person", person, thread]);
  if (scope === "per-channel-peer") return JSON.stringify(["channel", ...within]);
  if (scope === "per-account-channel-peer") {
    const [channel, , ...rest] = within;
    return JSON.stringify(["channel", channel, peer.account, ...rest]);
  }
  const shared = profile.shared?.(peer.peer);
  const name = shared ? [shared.space, shared.id] : [peer.channel, account, peer.peer];
  return JSON.stringify(["peer", name, thread]);
}

function keyOf(peer: CanonicalPeer, dmScope: DmScope, person: Person | undefined) {
  if (agent === undefined) return undefined;
  const rendered = renderPeerKey({ agent, peer, dmScope, person });
  return rendered.ok ? rendered.key : undefined;
}

describe("keys of typed peers", () => {
  it("are shared by two peers only where the rules say that the two are one", () => {
    const meanings = new Map<string, string>();
    const keys = new Map<string, string>();
    const collisions: string[] = [];
    const splits: string[] = [];
    for (const peer of everyPeer()) {
      for (const scope of DM_SCOPES) {
        for (const name of PEOPLE) {
          const person = personOf(name);
          const key = keyOf(peer, scope, person);
          if (key === undefined) continue;
          const meaning = meant(peer, scope, person);
          if ((meanings.get(key) ?? meaning) !== meaning) collisions.push(key);
          if ((keys.get(meaning) ?? key) !== key) splits.push(meaning);
          meanings.set(key, meaning);
          keys.set(meaning, key);
        }
      }
    }
    expect(collisions).toEqual([]);
    expect(splits).toEqual([]);
    expect(meanings.size).toBeGreaterThan(10_000);
  });
});
