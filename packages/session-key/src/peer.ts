import type { PeerKind } from "./ids/spelling.ts";

declare const brand: unique symbol;

export const PEER_KINDS: readonly PeerKind[] = ["direct", "group", "channel"];

/**
 * A peer as an adapter names it. Leave a part out rather than giving it empty: an empty component
 * is refused.
 */
export interface Peer {
  readonly channel: string;
  readonly account?: string | undefined;
  readonly kind: PeerKind;
  readonly peer: string;
  readonly thread?: string | undefined;
}

/** A peer in its one spelling: equal peers are equal in every field. Made by `canonicalPeer`. */
export type CanonicalPeer = Readonly<{
  channel: string;
  account?: string;
  kind: PeerKind;
  peer: string;
  thread?: string;
}> & { readonly [brand]: "CanonicalPeer" };

/** Builds the frozen value, without keys for absent parts. The caller answers for the spelling. */
export function asCanonicalPeer(parts: Peer): CanonicalPeer {
  const { channel, account, kind, peer, thread } = parts;
  return Object.freeze({
    channel,
    ...(account === undefined ? {} : { account }),
    kind,
    peer,
    ...(thread === undefined ? {} : { thread }),
  }) as CanonicalPeer;
}
