import type { OutboundPart } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import type { NotSent, SendOutcome } from "../domain/send-outcome.ts";

/** A reply as a channel sees it. */
export interface Reply {
  readonly tenant: string;
  readonly principal: string;
  readonly requestLabel: string;
  readonly traceparent: string;
  /** The same at every attempt. */
  readonly deliveryId: string;
  readonly sessionKey: string;
  readonly sessionId: string;
  readonly generation: bigint;
  readonly turnId: string;
  readonly parts: readonly OutboundPart[];
  /** RouteKind. */
  readonly kind: number;
  readonly accountId: string;
  readonly address: string;
  readonly threadId: string;
  /** All of them sign. */
  readonly signingSecrets: readonly string[];
  /** Dead letters right before it, of which its receiver is to be told. */
  readonly gapBefore: number;
  /** Messages of the channel that were taken; the one after them is sent now. */
  readonly acceptedPieces: number;
  /** That one may have arrived: an attempt of it was unknown. */
  readonly isDoubtful: boolean;
  /** It may be sent again although it may have arrived. */
  readonly mayResend: boolean;
  /** What `noteHandle` was told in an earlier attempt at this piece. */
  readonly pieceHandle: string;
  readonly createTime: Date;
}

/** What a channel finds out on its way. */
export interface SendNotes {
  /** Messages of the channel that the whole reply takes. */
  pieces(count: number): void;
  /**
   * Stores what the channel calls this piece, such as an uploaded file's id, so that a later attempt
   * can look whether it arrived.
   */
  handle(handle: string): Promise<void>;
}

/**
 * Shows the reply's fence. Resolves when the reply may be sent now, and only now.
 * @throws NotSentError
 */
export type ClaimSend = () => Promise<void>;

/** Where a hint is shown. */
export interface HintPlace {
  readonly tenant: string;
  /** RouteKind. */
  readonly kind: number;
  readonly accountId: string;
  readonly address: string;
  readonly threadId: string;
}

export type HintPhase = "queued" | "running";

export type HintOutcome =
  | { readonly kind: "shown" }
  /** It will be refused for a while. */
  | { readonly kind: "refused"; readonly error: string }
  | {
      readonly kind: "failed";
      readonly error: string;
      readonly retryAfterMs?: number | undefined;
    };

/** How replies reach one kind of address. */
export interface Channel {
  /** Shows that something happens; left out where the channel has nothing of the kind. */
  hint?(place: HintPlace, phase: HintPhase, signal: AbortSignal): Promise<HintOutcome>;
  /**
   * Sends the next piece of a reply. First does all that can fail without an effect, such as connecting;
   * then calls `claim`, once; then sends. A NotSentError of `claim` is passed on. `signal` cuts the
   * attempt off. Where the piece is doubtful, first looks whether it arrived, or goes by
   * `leaveIfDoubtful`. The pieces of a reply are the same at every attempt.
   */
  send(reply: Reply, claim: ClaimSend, signal: AbortSignal, notes: SendNotes): Promise<SendOutcome>;
}

/** What a doubtful piece comes to where the channel cannot tell; undefined: it is to be sent again. */
export function leaveIfDoubtful(
  { isDoubtful, mayResend }: Pick<Reply, "isDoubtful" | "mayResend">,
  why = "nothing can tell",
): SendOutcome | undefined {
  if (!isDoubtful || mayResend) return undefined;
  return { kind: "held", error: `it may have arrived, and the route holds such replies: ${why}` };
}

/** The right to send was not had. */
export class NotSentError extends Error {
  override readonly name = "NotSentError";
  readonly why: NotSent;

  constructor(why: NotSent, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.why = why;
  }
}
