import type { Caller } from "../metadata/caller.ts";
import type { ServiceName } from "./service-name.ts";

/** Who may stand in an allow-list: a service, or `caller`, anybody with an outside credential. */
export type PeerName = ServiceName | "caller";

/** Who is at the other end, as the authenticator found out. */
export type Peer =
  /** One of ours: its metadata about tenant, principal and scopes is believed. */
  | { readonly kind: "service"; readonly service: ServiceName }
  /** An outside credential: for whom it acts is what the authenticator says, never metadata. */
  | { readonly kind: "caller"; readonly caller: Caller };

export function peerName(peer: Peer): PeerName {
  return peer.kind === "service" ? peer.service : "caller";
}
