import { type AgentId, type CanonicalKey, joinKey } from "./canonical-key.ts";
import { profileOf } from "./channel-profiles.ts";
import { encodeComponent } from "./encode-component.ts";
import type { CanonicalPeer } from "./peer.ts";
import type { Person } from "./person.ts";
import { isKeyRefusal, type KeyRefusal, refuseField } from "./refusal.ts";
import { MAX_KEY_BYTES } from "./rule-set.ts";
import { failed, newTrail, passed, type RuleStep, stepsOf } from "./steps.ts";
import { tooLong, utf8Bytes } from "./text.ts";

/** How much direct messages share: an agent's policy. */
export type DmScope = "main" | "per-peer" | "per-channel-peer" | "per-account-channel-peer";

export const DM_SCOPES: readonly DmScope[] = [
  "main",
  "per-peer",
  "per-channel-peer",
  "per-account-channel-peer",
];

export const DEFAULT_DM_SCOPE: DmScope = "per-channel-peer";

export interface PeerKeyInput {
  readonly agent: AgentId;
  readonly peer: CanonicalPeer;
  readonly dmScope: DmScope;
  /** To whom the peer is linked. Counts for direct messages, under every scope but `main`. */
  readonly person?: Person | undefined;
  readonly explain?: boolean | undefined;
}

export type RenderedPeerKey =
  | { readonly ok: true; readonly key: CanonicalKey; readonly steps: readonly RuleStep[] }
  | { readonly ok: false; readonly refusal: KeyRefusal; readonly steps: readonly RuleStep[] };

/**
 * The canonical key of a typed peer. Refuses (MALFORMED_KEY, field account) a peer without account
 * under `per-account-channel-peer`, and a key over 1,024 bytes (KEY_TOO_LONG).
 */
export function renderPeerKey(input: PeerKeyInput): RenderedPeerKey {
  const trail = newTrail(input.explain);
  const [rule, segments] = chooseSegments(input);
  const before = input.peer.peer;
  if (isKeyRefusal(segments)) {
    const refusal = failed(trail, rule, before, segments);
    return { ok: false, refusal, steps: stepsOf(trail) };
  }
  const key = joinKey(input.agent, segments.map(encodeComponent).join(":"));
  passed(trail, rule, before, key);
  if (utf8Bytes(key) > MAX_KEY_BYTES) {
    const refusal = failed(trail, "key-length", key, tooLong("the canonical key"));
    return { ok: false, refusal, steps: stepsOf(trail) };
  }
  passed(trail, "key-length", key, key);
  return { ok: true, key, steps: stepsOf(trail) };
}

type Segments = readonly string[] | KeyRefusal;

/** The rule that decides, and the unencoded segments behind the agent. */
function chooseSegments({ peer, dmScope, person }: PeerKeyInput): [string, Segments] {
  if (peer.kind !== "direct") return ["group-key", inChannel(peer, identifyingAccount(peer))];
  if (dmScope === "main") return ["dm-scope", ["main", ...threadElsewhere(peer)]];
  if (person !== undefined) {
    return ["person-link", ["direct", "person", person, ...threadElsewhere(peer)]];
  }
  return ["dm-scope", byScope(peer, dmScope)];
}

function byScope(peer: CanonicalPeer, dmScope: Exclude<DmScope, "main">): Segments {
  switch (dmScope) {
    case "per-peer":
      return ["direct", ...inSpace(peer), ...threadElsewhere(peer)];
    case "per-channel-peer":
      return inChannel(peer, identifyingAccount(peer));
    case "per-account-channel-peer":
      if (peer.account !== undefined) return inChannel(peer, [peer.account]);
      return refuseField("account", "is required by dm scope per-account-channel-peer");
  }
}

/** `<channel>[:<account>]:<kind>:<peer>[:thread:<thread>]` */
function inChannel(peer: CanonicalPeer, account: readonly string[]): readonly string[] {
  const thread = peer.thread === undefined ? [] : ["thread", peer.thread];
  return [peer.channel, ...account, peer.kind, peer.peer, ...thread];
}

/** `<space>:<peer>`: a name that other channels share, or the channel's own. */
function inSpace(peer: CanonicalPeer): readonly string[] {
  const shared = profileOf(peer.channel).shared?.(peer.peer);
  if (shared) return [shared.space, shared.id];
  return [peer.channel, ...identifyingAccount(peer), peer.peer];
}

/** Where one key takes in several chats, a thread is named in full: thread ids repeat across chats. */
function threadElsewhere(peer: CanonicalPeer): readonly string[] {
  if (peer.thread === undefined) return [];
  return ["thread", peer.channel, ...identifyingAccount(peer), peer.peer, peer.thread];
}

function identifyingAccount(peer: CanonicalPeer): readonly string[] {
  const identifies = profileOf(peer.channel).account !== "not-identifying";
  return identifies && peer.account !== undefined ? [peer.account] : [];
}
