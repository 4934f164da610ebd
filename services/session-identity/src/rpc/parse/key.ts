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
  type PeerField,
} from "@lanekeeper/session-key";
import { PEER_KINDS, word } from "./enums.ts";

/** A field named `session_key`: canonical as it stands, or refused, never fixed up. */
export function sessionKey(field: string, text: string): CanonicalKey {
  const key = parseCanonicalKey(text);
  if (isKeyRefusal(key)) throw keyError(key, field);
  return key;
}

/** Parts of a typed peer, as the message Peer calls them. */
const PEER_FIELDS: Readonly<Record<Exclude<PeerField, "person">, string>> = {
  channel: "channel",
  account: "account_id",
  kind: "kind",
  peer: "peer_id",
  thread: "thread_id",
};

/** The field of a request that a refusal is about, where the peer stands in `peer`; empty: none. */
export function fieldOf({ field }: KeyRefusal, peer = "peer"): string {
  if (field === undefined || field === "person") return field ?? "";
  return `${peer}.${PEER_FIELDS[field]}`;
}

/** The error of a refused name; it names the field as the request has it. */
export function keyError(refusal: KeyRefusal, field: string = fieldOf(refusal)): LanekeeperError {
  const { reason, offset, values } = refusal;
  const message = withoutPart(refusal);
  return new LanekeeperError(reason, field === "" ? message : `${field}: ${message}`, {
    metadata: { offset: String(offset), ...values, ...(field === "" ? {} : { field }) },
    ...(field === "" ? {} : { fieldViolations: [{ field, description: message }] }),
  });
}

/** The rules' message begins with the part that it is about, which the field says already. */
function withoutPart({ message, field }: KeyRefusal): string {
  const prefix = `${field}: `;
  return field !== undefined && message.startsWith(prefix) ? message.slice(prefix.length) : message;
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
