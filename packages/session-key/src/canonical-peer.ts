import { profileOf } from "./channel-profiles.ts";
import { asCanonicalPeer, type CanonicalPeer, PEER_KINDS, type Peer } from "./peer.ts";
import { isKeyRefusal, type KeyRefusal, type PeerField, refuseField } from "./refusal.ts";
import { MAX_KEY_BYTES, RENDERING_WORDS, RESERVED_NAMESPACES } from "./rule-set.ts";
import { failed, newTrail, passed, type RuleStep, stepsOf, type Trail } from "./steps.ts";
import { characterProblem, toNfc, tooLong, utf8Bytes } from "./text.ts";
import { writePeer } from "./write-peer.ts";

export type CanonicalPeerResult =
  | { readonly ok: true; readonly peer: CanonicalPeer; readonly steps: readonly RuleStep[] }
  | { readonly ok: false; readonly refusal: KeyRefusal; readonly steps: readonly RuleStep[] };

const CHANNEL = /^[a-z][a-z0-9_-]{0,31}$/;

/**
 * Puts every part of a peer into its one spelling, by the profile of its channel, or refuses it
 * (MALFORMED_KEY with the field, KEY_TOO_LONG). Its own output comes back unchanged. Which key the
 * peer has is another question: see `renderPeerKey`.
 */
export function canonicalPeer(
  peer: Peer,
  options: { readonly explain?: boolean } = {},
): CanonicalPeerResult {
  const trail = newTrail(options.explain);
  const spelled = spellPeer(peer, trail);
  const steps = stepsOf(trail);
  if (isKeyRefusal(spelled)) return { ok: false, refusal: spelled, steps };
  return { ok: true, peer: asCanonicalPeer(spelled), steps };
}

function spellPeer(given: Peer, trail: Trail): Peer | KeyRefusal {
  const unbounded = boundProblem(given);
  if (unbounded) return failed(trail, "peer-length", given.peer, unbounded);
  const before = writePeer(given);
  passed(trail, "peer-length", before, before);

  const shape = channelProblem(given.channel) ?? kindProblem(given.kind);
  if (shape) return failed(trail, "peer-shape", before, shape);
  passed(trail, "peer-shape", before, before);

  const clean = cleanComponents(given);
  if (isKeyRefusal(clean)) return failed(trail, "peer-components", before, clean);
  passed(trail, "peer-components", before, writePeer(clean));

  const spelled = applyProfile(clean);
  if (isKeyRefusal(spelled)) return failed(trail, "channel-profile", writePeer(clean), spelled);
  const after = writePeer(spelled);
  passed(trail, "channel-profile", writePeer(clean), after);

  if (utf8Bytes(after) > MAX_KEY_BYTES) {
    return failed(trail, "spelling-length", after, tooLong("the peer's spelling"));
  }
  passed(trail, "spelling-length", after, after);
  return spelled;
}

/** The parts together are the raw text of a peer, and have its bound. */
function boundProblem({ channel, account = "", peer, thread = "" }: Peer): KeyRefusal | undefined {
  const bytes = utf8Bytes(channel) + utf8Bytes(account) + utf8Bytes(peer) + utf8Bytes(thread);
  return bytes > MAX_KEY_BYTES ? tooLong("the peer, all parts together,") : undefined;
}

function channelProblem(channel: string): KeyRefusal | undefined {
  if (!CHANNEL.test(channel)) return refuseField("channel", "does not match [a-z][a-z0-9_-]{0,31}");
  if (!RESERVED_NAMESPACES.has(channel) && !RENDERING_WORDS.has(channel)) return undefined;
  return refuseField("channel", `${channel} is a reserved name`);
}

function kindProblem(kind: string): KeyRefusal | undefined {
  if (PEER_KINDS.some((known) => known === kind)) return undefined;
  return refuseField("kind", `is none of ${PEER_KINDS.join(", ")}`);
}

/** Rules 1 and 2 for each part that outsiders choose freely. */
function cleanComponents(given: Peer): Peer | KeyRefusal {
  const problem =
    componentProblem("account", given.account) ??
    componentProblem("peer", given.peer) ??
    componentProblem("thread", given.thread);
  if (problem) return problem;
  return {
    ...given,
    account: nfcOrAbsent(given.account),
    peer: toNfc(given.peer),
    thread: nfcOrAbsent(given.thread),
  };
}

/**
 * The profile's spelling, cleaned once more: what a profile takes away can lay white space bare,
 * and a letter that it lower-cases can compose with the mark behind it (H with U+0331 does not, h
 * does).
 */
function applyProfile(given: Peer): Peer | KeyRefusal {
  const profile = profileOf(given.channel);
  const found = profile.id({ id: given.peer, kind: given.kind, thread: given.thread });
  if ("expected" in found) return refuseField("peer", `expected ${found.expected}`);
  if (profile.account === "required" && given.account === undefined) {
    return refuseField("account", `ids of ${given.channel} are unique within an account only`);
  }
  const account = given.account === undefined ? undefined : profile.accountId?.(given.account);
  return cleanComponents({
    channel: given.channel,
    account: account ?? given.account,
    kind: found.kind,
    peer: found.id,
    thread: found.thread,
  });
}

function componentProblem(field: PeerField, text: string | undefined): KeyRefusal | undefined {
  const problem = text === undefined ? undefined : characterProblem(text);
  return problem && refuseField(field, problem.message, problem.offset);
}

function nfcOrAbsent(text: string | undefined): string | undefined {
  return text === undefined ? undefined : toNfc(text);
}
