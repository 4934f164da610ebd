/** Why a name was refused: the reasons of the service's error table, by the same words. */
export type KeyRefusalReason =
  | "MALFORMED_KEY"
  | "KEY_TOO_LONG"
  | "AGENT_MISMATCH"
  | "AGENT_REQUIRED"
  | "RESERVED_NAMESPACE"
  | "PERMISSION_DENIED";

/** The part of a typed peer that a refusal speaks of. */
export type PeerField = "channel" | "account" | "kind" | "peer" | "thread" | "person";

/** A refused name. The message never repeats the name itself, so it may be logged. */
export interface KeyRefusal {
  readonly reason: KeyRefusalReason;
  /** One sentence for a person. */
  readonly message: string;
  /** UTF-8 bytes into the text that the refusing rule looked at (into `field`, where one is named). */
  readonly offset: number;
  /** Set when a component of a typed peer is at fault. */
  readonly field?: PeerField;
  /** What the message tells beside the rule, for programs: agents, a bound. Never of the name itself. */
  readonly values?: Readonly<Record<string, string>>;
}

/** Tells a refusal from a branded string, and from any result without a reason. */
export function isKeyRefusal(value: unknown): value is KeyRefusal {
  return typeof value === "object" && value !== null && "reason" in value && "offset" in value;
}

export function refuse(
  reason: KeyRefusalReason,
  message: string,
  offset = 0,
  values?: KeyRefusal["values"],
): KeyRefusal {
  return { reason, message, offset, ...(values === undefined ? {} : { values }) };
}

export function refuseField(field: PeerField, message: string, offset = 0): KeyRefusal {
  return { reason: "MALFORMED_KEY", message: `${field}: ${message}`, offset, field };
}
