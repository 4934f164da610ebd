import type { CanonicalKey, CanonicalPeer } from "@lanekeeper/session-key";

/** What is bound: a string in NFC, or a peer in its one spelling. */
export type BoundName =
  | { readonly kind: "raw"; readonly raw: string }
  | { readonly kind: "peer"; readonly peer: CanonicalPeer };

/** What a name is bound to. */
export interface Binding {
  readonly agentId: string;
  readonly name: BoundName;
  /** Before aliases. */
  readonly sessionKey: CanonicalKey;
  /** Where that key leads, if it is an alias. */
  readonly aliasOf: CanonicalKey | undefined;
  readonly ruleSetVersion: number;
  readonly source: string;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
}
