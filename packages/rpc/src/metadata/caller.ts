import type { Metadata } from "@grpc/grpc-js";
import { METADATA } from "./names.ts";
import { decodeList, decodeValue, encodeList, encodeValue } from "./percent.ts";

/** For whom a call is made. */
export interface Caller {
  /** Empty where the call concerns no tenant. */
  readonly tenant: string;
  /** The credential that acts; empty where none is known. */
  readonly principal: string;
  readonly scopes: readonly string[];
  /** Agents that the credential is confined to; empty: not confined. */
  readonly agents: readonly string[];
  /** Key prefixes that the credential may use; empty: the door's own rules decide. */
  readonly keyPrefixes: readonly string[];
}

export const NO_CALLER: Caller = {
  tenant: "",
  principal: "",
  scopes: [],
  agents: [],
  keyPrefixes: [],
};

/** Puts the caller into outgoing metadata; what is empty is left out. */
export function writeCaller(metadata: Metadata, caller: Caller): void {
  if (caller.tenant !== "") metadata.set(METADATA.tenant, encodeValue(caller.tenant));
  if (caller.principal !== "") metadata.set(METADATA.principal, encodeValue(caller.principal));
  if (caller.scopes.length > 0) metadata.set(METADATA.scopes, encodeList(caller.scopes));
  if (caller.agents.length > 0) metadata.set(METADATA.agents, encodeList(caller.agents));
  if (caller.keyPrefixes.length > 0) {
    metadata.set(METADATA.keyPrefixes, encodeList(caller.keyPrefixes));
  }
}

/** Reads what a service peer says. @throws INVALID_REQUEST for a value that does not decode. */
export function readCaller(metadata: Metadata): Caller {
  return {
    tenant: decodeValue(METADATA.tenant, first(metadata, METADATA.tenant)),
    principal: decodeValue(METADATA.principal, first(metadata, METADATA.principal)),
    scopes: decodeList(METADATA.scopes, first(metadata, METADATA.scopes)),
    agents: decodeList(METADATA.agents, first(metadata, METADATA.agents)),
    keyPrefixes: decodeList(METADATA.keyPrefixes, first(metadata, METADATA.keyPrefixes)),
  };
}

/** The first value of a key as text; empty if there is none. */
export function first(metadata: Metadata, name: string): string {
  const value = metadata.get(name)[0];
  return typeof value === "string" ? value : "";
}
