import { profileOf } from "./channel-profiles.ts";
import { asCanonicalPeer, type CanonicalPeer } from "./peer.ts";

/**
 * What equivalences and person links are kept for: the peer without its thread, and without an
 * account that does not identify (a person is the same on Discord whichever bot they write to).
 */
export function peerIdentity(peer: CanonicalPeer): CanonicalPeer {
  const { channel, account, kind, peer: id } = peer;
  const identifying = profileOf(channel).account !== "not-identifying";
  return asCanonicalPeer({ channel, account: identifying ? account : undefined, kind, peer: id });
}

/**
 * The same message's peer under an equivalent identity of its channel: the thread stays, and so
 * does the account where it does not identify.
 */
export function withIdentity(peer: CanonicalPeer, identity: CanonicalPeer): CanonicalPeer {
  const account = identity.account ?? peerOnlyAccount(peer, identity);
  return asCanonicalPeer({ ...identity, account, thread: peer.thread });
}

function peerOnlyAccount(peer: CanonicalPeer, identity: CanonicalPeer): string | undefined {
  const kept = peer.channel === identity.channel;
  return kept && profileOf(peer.channel).account === "not-identifying" ? peer.account : undefined;
}
