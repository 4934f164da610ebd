export {
  type AgentId,
  agentOf,
  type CanonicalKey,
  normalizeAgentId,
  parseAgentId,
  restOf,
} from "./canonical-key.ts";
export { type CanonicalPeerResult, canonicalPeer } from "./canonical-peer.ts";
export { hasProfile, PROFILED_CHANNELS } from "./channel-profiles.ts";
export type { PeerKind } from "./ids/spelling.ts";
export {
  agentBoundBy,
  type BoundBy,
  isAgentWithin,
  isBound,
  isKeyWithin,
  type KeyBounds,
  keyBoundBy,
} from "./key-bounds.ts";
export { checkKeyPermission, type KeyCaller } from "./key-permission.ts";
export { mintedAtMs, mintedKey } from "./minted-key.ts";
export { type NormalizedKey, normalizeRawKey, type RawKeyInput } from "./normalize-raw-key.ts";
export { parseCanonicalKey } from "./parse-canonical-key.ts";
export { type CanonicalPeer, PEER_KINDS, type Peer } from "./peer.ts";
export { peerIdentity, withIdentity } from "./peer-identity.ts";
export { type PeerSpelling, parsePeerSpelling, peerSpelling } from "./peer-spelling.ts";
export { type Person, parsePerson } from "./person.ts";
export { isKeyRefusal, type KeyRefusal, type KeyRefusalReason, type PeerField } from "./refusal.ts";
export {
  DEFAULT_DM_SCOPE,
  DM_SCOPES,
  type DmScope,
  type PeerKeyInput,
  type RenderedPeerKey,
  renderPeerKey,
} from "./render-peer-key.ts";
export { MAX_KEY_BYTES, RESERVED_NAMESPACES, RULE_SET_VERSION } from "./rule-set.ts";
export type { RuleStep, Trail } from "./steps.ts";
