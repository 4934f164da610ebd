import type { IncomingHttpHeaders } from "node:http";
import type { InboundEvent, Outcome } from "@lanekeeper/adapter-kit";
import type {
  ChannelKind,
  InboundAccount,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import type { ChannelWord } from "./account.ts";

/** A post to an account's path, as it came. */
export interface RawEvent {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly now: Date;
}

/** What a provider is answered. */
export interface ChannelAnswer {
  readonly status: number;
  readonly body: object;
}

/** What a verified post is. */
export type Reading =
  | {
      readonly kind: "event";
      readonly event: InboundEvent;
      /** The account that it is for, where the provider names another than the path has. */
      readonly accountId: string;
      /** In whose name it acts: that of a channel's peers, or of any key. */
      readonly scope: "adapter" | "chat";
    }
  /** Part of the provider's protocol, such as a challenge: nothing else happens. */
  | {
      readonly kind: "answer";
      readonly answer: ChannelAnswer;
      /** What the operator has to know of. */
      readonly warning?: string;
    };

/** What an adapter reads with. */
export interface ReadContext {
  readonly account: InboundAccount;
  /** Empty: none. */
  readonly token: string;
  /** Aborted when the provider has to be answered. */
  readonly signal: AbortSignal;
}

/** One channel's way in. A new channel is one of these and its entry in `adapters.ts`. */
export interface ChannelAdapter {
  readonly kind: ChannelKind;
  readonly word: ChannelWord;
  /** Who registers names and routes, such as "slack/1.0". */
  readonly source: string;
  /** How long the provider waits for its answer before it sends the event again, less a margin. */
  readonly ackWithinMs: number;
  /** Whether what answers no turn is sent to the event's place; else the provider's answer tells it. */
  readonly saysInPlace: boolean;
  /** Whether this secret's holder sent the post, now. */
  isGenuine(raw: RawEvent, account: InboundAccount, secret: string): boolean;
  /** @throws INVALID_REQUEST, UNSUPPORTED_MEDIA_TYPE */
  read(raw: RawEvent, context: ReadContext): Promise<Reading>;
  /** What the provider is told of an outcome that it need not send again. */
  answer(outcome: Outcome): ChannelAnswer;
}
