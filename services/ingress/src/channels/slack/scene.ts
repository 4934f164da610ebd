import type { EventName, ReplyPlace, SamePeer } from "@lanekeeper/adapter-kit";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";

/** Where something is said in Slack, and by whom. */
export interface SlackScene {
  readonly teamId: string;
  /** `C…` or `G…` a channel, private or not; `D…` a direct message. */
  readonly channelId: string;
  readonly userId: string;
  /** Empty: not in a thread. */
  readonly threadTs: string;
}

/** A conversation's name, where its replies go, and what other name it has. */
export interface SlackConversation {
  readonly name: EventName;
  readonly place: ReplyPlace;
  readonly samePeers: readonly SamePeer[];
}

/**
 * The kind is the id's: a channel that is made private keeps its id, and stays one conversation. Who
 * writes directly is known by two ids, that of the person and that of the direct conversation.
 */
export function conversationOf(scene: SlackScene): SlackConversation {
  const { teamId, channelId, userId, threadTs } = scene;
  const isDirect = channelId.startsWith("D");
  const kind = isDirect ? PeerKind.DIRECT : PeerKind.CHANNEL;
  const peer = { channel: "slack", accountId: teamId, kind };
  const isKnownBoth = isDirect && /^[UW]/.test(userId);
  const peerId = isKnownBoth ? userId : channelId;
  return {
    name: { case: "peer", value: { ...peer, peerId, threadId: threadTs } },
    place: { kind: RouteKind.SLACK, accountId: teamId, address: channelId, threadId: threadTs },
    samePeers: isKnownBoth
      ? [{ peer: { ...peer, peerId: userId }, sameAs: { ...peer, peerId: channelId } }]
      : [],
  };
}
