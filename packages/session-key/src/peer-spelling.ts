import { canonicalPeer } from "./canonical-peer.ts";
import { decodeComponent } from "./encode-component.ts";
import type { PeerKind } from "./ids/spelling.ts";
import { type CanonicalPeer, PEER_KINDS, type Peer } from "./peer.ts";
import { writePeer } from "./write-peer.ts";

declare const brand: unique symbol;

/**
 * A canonical peer as one string, `:<channel>:<account or nothing>:<kind>:<peer>[:<thread>]`, for
 * the ledger. Two peers share it only if all their parts are equal. It begins with a colon, as no
 * raw key may, so raw keys and spellings can stand in one column.
 */
export type PeerSpelling = string & { readonly [brand]: "PeerSpelling" };

export function peerSpelling(peer: CanonicalPeer): PeerSpelling {
  return writePeer(peer) as PeerSpelling;
}

/** Strict: the peer of a stored spelling, or undefined for a text that no peer is spelled like. */
export function parsePeerSpelling(text: string): CanonicalPeer | undefined {
  const given = readPeer(text);
  if (given === undefined) return undefined;
  const read = canonicalPeer(given);
  return read.ok && peerSpelling(read.peer) === text ? read.peer : undefined;
}

function readPeer(text: string): Peer | undefined {
  const [head, channel, account, kind, ...names] = text.split(":");
  if (head !== "" || channel === undefined || account === undefined || !isKind(kind)) {
    return undefined;
  }
  const [accountId, peer, thread] = [account, ...names].map(decodeComponent);
  if (accountId === undefined || peer === undefined || names.length > 2) return undefined;
  if (names.length === 2 && thread === undefined) return undefined;
  return { channel, account: accountId === "" ? undefined : accountId, kind, peer, thread };
}

function isKind(text: string | undefined): text is PeerKind {
  return PEER_KINDS.some((kind) => kind === text);
}
