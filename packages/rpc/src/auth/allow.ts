import type { DescService } from "@bufbuild/protobuf";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import { SERVICE_IDENTITY } from "../errors/to-status.ts";
import { type Peer, type PeerName, peerName } from "./peer.ts";

/** Who may call each method of a service. Every method stands there; nobody is `[]`. */
export type Allow<D extends DescService> = {
  readonly [K in keyof D["method"]]: readonly PeerName[];
};

/** An allow-list that lets the same peers call every method. */
export function allowAll<D extends DescService>(desc: D, ...peers: readonly PeerName[]): Allow<D> {
  return Object.fromEntries(
    desc.methods.map((method) => [method.localName, peers]),
  ) as unknown as Allow<D>;
}

/** Refuses to start with a list that forgets a method or names one that does not exist. */
export function checkAllow(desc: DescService, allow: Readonly<Record<string, unknown>>): void {
  const methods = new Set(desc.methods.map((method) => method.localName));
  for (const method of methods) {
    if (!Array.isArray(allow[method]))
      throw new Error(`${desc.typeName}: no allow-list for ${method}`);
  }
  for (const method of Object.keys(allow)) {
    if (!methods.has(method)) throw new Error(`${desc.typeName} has no method ${method} to allow`);
  }
}

/** @throws PERMISSION_DENIED if the peer is not in the list. */
export function authorize(peer: Peer, method: string, allowed: readonly PeerName[]): void {
  const name = peerName(peer);
  if (allowed.includes(name)) return;
  throw new LanekeeperError("PERMISSION_DENIED", `${name} may not call ${method}`, {
    metadata: peer.kind === "service" ? { method, [SERVICE_IDENTITY]: name } : { method },
  });
}
