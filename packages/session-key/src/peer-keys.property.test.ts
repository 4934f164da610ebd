import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agent, anyText, kind, peer, SEARCH } from "./arbitraries.test-support.ts";
import { canonicalPeer } from "./canonical-peer.ts";
import { decodeComponent } from "./encode-component.ts";
import { parseCanonicalKey } from "./parse-canonical-key.ts";
import { peerIdentity, withIdentity } from "./peer-identity.ts";
import { parsePeerSpelling, peerSpelling } from "./peer-spelling.ts";
import { type Person, parsePerson } from "./person.ts";
import { DM_SCOPES, renderPeerKey } from "./render-peer-key.ts";
import { normalizeRawKey } from "./normalize-raw-key.ts";

const dmScope = fc.constantFrom(...DM_SCOPES);
const person = fc.option(anyText, { nil: undefined });

function personOf(text: string | undefined): Person | undefined {
  const parsed = text === undefined ? undefined : parsePerson(text);
  return typeof parsed === "string" ? parsed : undefined;
}

describe("canonicalPeer, over any parts", () => {
  it("accepts or refuses, never throws, and answers the same twice", () => {
    fc.assert(
      fc.property(peer, (given) => {
        const answer = canonicalPeer(given);
        expect(canonicalPeer({ ...given })).toEqual(answer);
        expect({ ...canonicalPeer(given, { explain: true }), steps: [] }).toEqual(answer);
      }),
      SEARCH,
    );
  });

  it("gives its own output back", () => {
    fc.assert(
      fc.property(peer, (given) => {
        const answer = canonicalPeer(given);
        if (!answer.ok) return;
        expect(canonicalPeer(answer.peer)).toMatchObject({ ok: true, peer: answer.peer });
      }),
      SEARCH,
    );
  });

  it("has a spelling that reads back, so that two peers never share one", () => {
    fc.assert(
      fc.property(peer, (given) => {
        const answer = canonicalPeer(given);
        if (!answer.ok) return;
        expect(parsePeerSpelling(peerSpelling(answer.peer))).toEqual(answer.peer);
      }),
      SEARCH,
    );
  });

  it("has a spelling that no raw key can have", () => {
    fc.assert(
      fc.property(peer, agent, (given, main) => {
        const answer = canonicalPeer(given);
        if (!answer.ok) return;
        expect(normalizeRawKey({ raw: peerSpelling(answer.peer), agent: main }).ok).toBe(false);
      }),
      SEARCH,
    );
  });
});

describe("parsePeerSpelling, over any text", () => {
  it("never throws, and takes only what it would write itself", () => {
    const text = fc.oneof(
      anyText,
      fc.tuple(kind, anyText, anyText).map(([a, b, c]) => `:mychat:${b}:${a}:${c}`),
    );
    fc.assert(
      fc.property(text, (given) => {
        const read = parsePeerSpelling(given);
        expect(read === undefined || peerSpelling(read) === given).toBe(true);
      }),
      SEARCH,
    );
  });
});

describe("renderPeerKey, over any parts", () => {
  it("gives keys that are canonical as they stand", () => {
    fc.assert(
      fc.property(peer, agent, dmScope, person, (given, main, scope, name) => {
        const answer = canonicalPeer(given);
        if (!answer.ok) return;
        const named = personOf(name);
        const rendered = renderPeerKey({
          agent: main,
          peer: answer.peer,
          dmScope: scope,
          person: named,
        });
        if (!rendered.ok) return;
        expect(parseCanonicalKey(rendered.key)).toBe(rendered.key);
      }),
      SEARCH,
    );
  });

  it("keeps every part readable under the default scope", () => {
    fc.assert(
      fc.property(anyText, kind, anyText, person, agent, (id, kindOf, account, thread, main) => {
        const answer = canonicalPeer({
          channel: "mychat",
          account,
          kind: kindOf,
          peer: id,
          thread,
        });
        if (!answer.ok) return;
        const { peer: spelled } = answer;
        const rendered = renderPeerKey({ agent: main, peer: spelled, dmScope: "per-channel-peer" });
        if (!rendered.ok) return;
        const parts = rendered.key.split(":").map(decodeComponent);
        const tail = spelled.thread === undefined ? [] : ["thread", spelled.thread];
        const head = ["agent", main, "mychat", spelled.account, spelled.kind, spelled.peer];
        expect(parts).toEqual([...head, ...tail]);
      }),
      SEARCH,
    );
  });
});

describe("peerIdentity and withIdentity", () => {
  it("take a peer apart and put it together again", () => {
    fc.assert(
      fc.property(peer, (given) => {
        const answer = canonicalPeer(given);
        if (!answer.ok) return;
        const identity = peerIdentity(answer.peer);
        expect(peerIdentity(identity)).toEqual(identity);
        expect(withIdentity(answer.peer, identity)).toEqual(answer.peer);
      }),
      SEARCH,
    );
  });
});
