import type { Peer as ProtoPeer } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { invalid, LanekeeperError } from "@lanekeeper/rpc";
import {
  type AgentId,
  type CanonicalKey,
  isKeyRefusal,
  type KeyRefusal,
  normalizeAgentId,
  parseCanonicalKey,
  type Peer,
} from "@lanekeeper/session-key";
import { PEER_KINDS, word } from "./enums.ts";

/** A field named `session_key`: canonical as it stands, or refused, never fixed up. */
export function sessionKey(field: string, text: string): CanonicalKey {
  const key = parseCanonicalKey(text);
  if (isKeyRefusal(key)) throw keyError(key, field);
  return key;
}

/** The error of a refused name. */
export function keyError(
  refusal: KeyRefusal,
  field: string = refusal.field ?? "",
): LanekeeperError {
  const { reason, message, offset } = refusal;
  return new LanekeeperError(reason, field === "" ? message : `${field}: ${message}`, {
    metadata: { offset: String(offset), ...(field === "" ? {} : { field }) },
    ...(field === "" ? {} : { fieldViolations: [{ field, description: message }] }),
  });
}

/** The agent that a caller names; undefined: it names none. */
export function agentId(text: string, field = "agent_id"): AgentId | undefined {
  if (text === "") return undefined;
  const agent = normalizeAgentId(text);
  if (agent === undefined) throw invalid(field, "does not match [a-z0-9][a-z0-9_-]{0,63}");
  return agent;
}

/** What the outside calls a conversation. */
export type GivenName =
  | { readonly kind: "raw"; readonly raw: string }
  | { readonly kind: "peer"; readonly peer: Peer };

type ProtoName =
  | { case: "rawKey"; value: string }
  | { case: "peer"; value: ProtoPeer }
  | { case: undefined; value?: undefined };

export function givenName(name: ProtoName): GivenName {
  if (name.case === "rawKey") return { kind: "raw", raw: name.value };
  if (name.case === "peer") return { kind: "peer", peer: givenPeer("peer", name.value) };
  throw invalid("name", "raw_key or peer is required");
}

/** Parts that are empty are absent; which are required is for the channel's profile to say. */
export function givenPeer(field: string, peer: ProtoPeer | undefined): Peer {
  if (peer === undefined) throw invalid(field, "is required");
  return {
    channel: peer.channel,
    account: peer.accountId === "" ? undefined : peer.accountId,
    kind: word(`${field}.kind`, PEER_KINDS, peer.kind),
    peer: peer.peerId,
    thread: peer.threadId === "" ? undefined : peer.threadId,
  };
}
