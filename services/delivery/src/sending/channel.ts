import type { OutboundPart } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import type { NotSent, SendOutcome } from "../domain/send-outcome.ts";

/** A reply as a channel sees it. */
export interface Reply {
  /** The same at every attempt. */
  readonly deliveryId: string;
  readonly sessionKey: string;
  readonly sessionId: string;
  readonly generation: bigint;
  readonly turnId: string;
  readonly parts: readonly OutboundPart[];
  readonly address: string;
  readonly signingSecret: string;
}

/**
 * Shows the reply's fence. Resolves when the reply may be sent now, and only now.
 * @throws NotSentError
 */
export type ClaimSend = () => Promise<void>;

/** How replies reach one kind of address. */
export interface Channel {
  /**
   * Sends one reply. First does all that can fail without an effect, such as connecting; then calls
   * `claim`, once; then sends. A NotSentError of `claim` is passed on. `signal` cuts the attempt off.
   */
  send(reply: Reply, claim: ClaimSend, signal: AbortSignal): Promise<SendOutcome>;
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
