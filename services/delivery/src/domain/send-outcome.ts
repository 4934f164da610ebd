/** What a channel says of one send. */
export type SendOutcome =
  | { readonly kind: "sent"; readonly providerMessageId: string }
  /** The channel took this piece, and there are more. */
  | { readonly kind: "accepted"; readonly providerMessageId: string }
  /** Nothing will change by asking again, but where the conversation has another address. */
  | { readonly kind: "refused"; readonly error: string; readonly movedTo?: string }
  /** It did not arrive, or the receiver said that it could not take it; asking again may help. */
  | { readonly kind: "failed"; readonly error: string; readonly retryAfterMs?: number }
  /** Bytes went out and no answer came: it may have arrived. */
  | { readonly kind: "unknown"; readonly error: string }
  /** It may have arrived before, nothing can tell, and the route's policy is to leave it at that. */
  | { readonly kind: "held"; readonly error: string }
  /** It was not sent, since the channel takes no more from us before that. No failure. */
  | { readonly kind: "paced"; readonly delayMs: number }
  /** It was not sent, since its place has another address now, which its route has been given. No failure. */
  | { readonly kind: "moved"; readonly error: string }
  /** The right to send was not had, so nothing was sent. */
  | { readonly kind: "not_sent"; readonly why: NotSent; readonly error: string };

/** Why a reply was not sent although it was its turn. */
export type NotSent =
  /** Replies of its generation may no longer go out. */
  | "stale"
  /**
   * The same, since the fences were raised after a restore: what became of it after the backup is
   * known to nobody.
   */
  | "raised"
  /** session-identity has it recorded as sent. */
  | "already_sent"
  /** session-identity will never accept it. */
  | "refused"
  /** Nobody could be asked, or the answer came too late to be relied upon. */
  | "unavailable"
  /** Its expire_time has passed. */
  | "expired";

/** The outcome of an attempt as it is stored and counted. */
export const ATTEMPT_OUTCOMES = [
  "open",
  "accepted",
  "sent",
  "refused",
  "failed",
  "unknown",
  "held",
  "stale",
  "expired",
  "unavailable",
  "paced",
  "moved",
] as const;
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];
