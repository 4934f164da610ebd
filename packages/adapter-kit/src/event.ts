import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import type { PeerSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import type { PartSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";

/** A typed name, as protobuf-es takes it. */
export type PeerInit = MessageInitShape<typeof PeerSchema>;

/** One part of what was said. */
export type PartInit = MessageInitShape<typeof PartSchema>;

/** Through whom events come, and who answers them. */
export interface AdapterAccount {
  /** The first segment of idempotency keys and the origin of turns, such as "slack". */
  readonly channel: string;
  /** The second segment: the team, the bot, the sender. */
  readonly accountId: string;
  /** Empty: the tenant's default agent. */
  readonly agentId: string;
  /** Who registers names and routes, such as "slack/1.0"; at most 100 bytes. */
  readonly source: string;
}

/** By what name an event calls its conversation. */
export type EventName =
  | { readonly case: "peer"; readonly value: PeerInit }
  | { readonly case: "rawKey"; readonly value: string };

/** Where replies to an event go. */
export interface ReplyPlace {
  readonly kind: RouteKind;
  /** Empty for kinds without accounts. */
  readonly accountId: string;
  readonly address: string;
  /** Empty: none. */
  readonly threadId: string;
}

/** A second name that the platform gave to a peer; `peer` is the spelling that stays. */
export interface SamePeer {
  readonly peer: PeerInit;
  readonly sameAs: PeerInit;
}

interface InConversation {
  /** The provider's id of the event, 1..128 visible ASCII characters: the same at every attempt. */
  readonly eventId: string;
  readonly name: EventName;
  /** Undefined: the reply stands in the transcript alone. */
  readonly place: ReplyPlace | undefined;
  /** Names of the peer that the event tells of; registered before it is resolved. */
  readonly samePeers?: readonly SamePeer[];
  /** Who spoke; empty: nobody in particular. */
  readonly senderId: string;
}

/** Something was said: it becomes a turn. */
export interface MessageEvent extends InConversation {
  readonly kind: "message";
  /** The channel's id of the message, to find it again; empty: none. */
  readonly messageId: string;
  /**
   * What the provider sends as several messages and a person as one, such as an album; the same for all of
   * it, and never again in the conversation. They are answered together. Left out: it stands alone.
   */
  readonly groupId?: string;
  /** How long the next of the group may take to come, up to 10 s; left out: a second. */
  readonly groupQuietMs?: number;
  /** 1..256. */
  readonly parts: readonly PartInit[];
  /** What makes two events under one id the same: equal at every attempt of the provider. */
  readonly content: string | Uint8Array;
}

/** What goes past the lane. */
export type Command = "new" | "status" | "stop";

/** A turn that a command may be about. */
export interface StoppableTurn {
  /** As in its `MessageEvent.messageId`; empty for a turn that came another way. */
  readonly messageId: string;
  readonly acceptTime: Date;
}

/** A command: never a turn. */
export interface CommandEvent extends InConversation {
  readonly kind: "command";
  readonly command: Command;
  /**
   * Whether the turn was there when the person gave the command. A command that the provider sends
   * again must not stop what was asked since; the provider's own numbering tells best.
   */
  readonly isAbout: (turn: StoppableTurn) => boolean;
}

/** A conversation that has another id from now on: the old one reaches nobody any more. */
export interface MovedPlace {
  readonly kind: RouteKind;
  readonly accountId: string;
  readonly address: string;
  readonly newAddress: string;
  /** When, as the platform tells it; undefined: it does not. */
  readonly changeTime: Date | undefined;
}

/** A platform's notice that two ids are one peer, and nothing else. */
export interface SamePeerEvent {
  readonly kind: "same-peer";
  readonly samePeers: readonly SamePeer[];
  /** Left out: both ids reach it. */
  readonly moved?: MovedPlace;
}

/** Of no interest, such as the bot's own message. */
export interface IgnoredEvent {
  readonly kind: "ignored";
  /** For the log. */
  readonly why: string;
}

/** What an adapter makes of a verified event. */
export type InboundEvent = MessageEvent | CommandEvent | SamePeerEvent | IgnoredEvent;
