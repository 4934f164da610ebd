import {
  commandOf,
  type InboundEvent,
  type PartInit,
  type StoppableTurn,
} from "@lanekeeper/adapter-kit";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { invalid } from "@lanekeeper/rpc";
import { isObject, type JsonObject } from "../../http/json-body.ts";
import { fileIds, fileParts, type SlackFiles } from "./files.ts";
import { forwardedIn } from "./forwarded.ts";
import { installationOf } from "./installation.ts";
import { conversationOf } from "./scene.ts";
import { plainText, withoutMention } from "./text.ts";

/** Messages that a person said; others tell of joins, topics, pins and the like. */
const SAID = new Set(["", "file_share", "thread_broadcast", "me_message"]);

/** As whom Slack itself speaks: reminders, and words in the place of what is not there. */
const SLACKBOT = "USLACKBOT";

/** What a mention of the bot says that says nothing else. */
const NAME_ALONE = "(mentioned you, without a word)";

/** Between Slack's clock and ours. */
export const CLOCK_SKEW_MS = 10_000;

/**
 * The event of an `event_callback`.
 * @throws INVALID_REQUEST for what is none
 * @see https://docs.slack.dev/reference/events/message
 */
export async function eventOf(payload: JsonObject, files: SlackFiles): Promise<InboundEvent> {
  const { event } = payload;
  const { teamId, botUsers } = installationOf(payload);
  if (!isObject(event)) throw invalid("event", "must be an object");
  if (teamId === undefined) throw invalid("team_id", "must be a string");
  switch (event["type"]) {
    case "message":
      return messageOf(event, teamId, botUsers, files);
    case "app_mention":
      // Sent again for a message that is edited, also where it had no mention before.
      return saidIn(event, teamId, botUsers, files, isObject(event["edited"]));
    case "channel_id_changed":
      return renamed(event, teamId, payload["event_time"]);
    default:
      return { kind: "ignored", why: `an event of type ${String(event["type"])}` };
  }
}

/** An edit stands in a message around it; the old text tells edits from links that were unfolded. */
function messageOf(
  event: JsonObject,
  teamId: string,
  bots: readonly string[],
  files: SlackFiles,
): InboundEvent | Promise<InboundEvent> {
  const { subtype = "", message, previous_message: before, channel } = event;
  if (subtype === "message_changed" && isObject(message)) {
    const isEdited = isObject(message["edited"]) && isObject(before);
    if (!isEdited || message["text"] === before["text"])
      return ignored("a message that reads as before");
    return saidIn({ ...message, channel }, teamId, bots, files, true);
  }
  return saidIn(event, teamId, bots, files, false);
}

async function saidIn(
  message: JsonObject,
  teamId: string,
  bots: readonly string[],
  files: SlackFiles,
  isEdited: boolean,
): Promise<InboundEvent> {
  const { subtype = "", bot_id: botId = null, user, channel, ts, text = "" } = message;
  if (!SAID.has(String(subtype))) return ignored(`a message of subtype ${String(subtype)}`);
  if (typeof channel !== "string" || !/^[CDG][A-Z0-9]+$/.test(channel)) {
    throw invalid("event.channel", "must be the id of a conversation");
  }
  if (typeof ts !== "string" || !/^\d+\.\d+$/.test(ts)) throw invalid("event.ts", "must be a ts");
  if (typeof text !== "string") throw invalid("event.text", "must be a string");
  if (typeof user !== "string") return ignored("nobody's message");
  if (botId !== null || user === SLACKBOT || bots.includes(user)) return ignored("a bot's message");
  const scene = {
    teamId,
    channelId: channel,
    userId: user,
    threadTs: threadOf(message, channel, ts),
  };
  const conversation = conversationOf(scene);
  const said = plainText(withoutMention(text, bots));
  const command = isEdited ? undefined : commandOf(said);
  const common = { ...conversation, senderId: user };
  if (command !== undefined) {
    const isAbout = cameBefore(ts);
    return { ...common, kind: "command", command, eventId: `${channel}/${ts}`, isAbout };
  }
  const edit = isEdited ? editOf(message) : "";
  const forwarded = forwardedIn(message["attachments"]);
  const listed = Array.isArray(message["files"]) ? message["files"] : [];
  const held = await fileParts([...listed, ...forwarded.files], files);
  const brought = [...forwarded.texts.flatMap(textParts), ...held];
  // Whoever is called by name alone is to answer.
  const isCall = brought.length === 0 && said === "" && text.trim() !== "";
  const words = isCall ? NAME_ALONE : said;
  const parts = [...textParts(isEdited ? `(edited) ${words}` : words), ...brought];
  if (parts.length === 0) return ignored("nothing that could be answered");
  return {
    ...common,
    kind: "message",
    messageId: ts,
    parts,
    // One message may come as two events, `message` and `app_mention`: its own id is what they share, and
    // what it says; which previews and messages of others stand below it may have changed in between.
    eventId: `${channel}/${ts}${edit}`,
    content: JSON.stringify([channel, ts, edit, user, text, fileIds(message["files"])]),
  };
}

/**
 * In a channel a message that is in no thread begins one: it is answered there, and the replies below it
 * are the same conversation. Direct messages are one conversation, but for threads in it; the message that a
 * thread began with was said outside of it, and names itself as its thread once it has replies.
 */
function threadOf({ thread_ts: thread }: JsonObject, channel: string, ts: string): string {
  const isBelow = typeof thread === "string" && /^\d+\.\d+$/.test(thread) && thread !== ts;
  if (isBelow) return thread;
  return channel.startsWith("D") ? "" : ts;
}

function editOf({ edited }: JsonObject): string {
  const ts = isObject(edited) ? edited["ts"] : undefined;
  return `/edit/${typeof ts === "string" ? ts : "0"}`;
}

function textParts(value: string): PartInit[] {
  return value.trim() === "" ? [] : [{ content: { case: "text", value } }];
}

/** A ts is Slack's time of the message: it grows over all conversations of a team. */
export function cameBefore(ts: string): (turn: StoppableTurn) => boolean {
  return ({ messageId, acceptTime }) =>
    /^\d+\.\d+$/.test(messageId)
      ? Number(messageId) < Number(ts)
      : acceptTime.getTime() <= Number(ts) * 1_000 + CLOCK_SKEW_MS;
}

/**
 * Channels that become shared may get another id, and are not found by the one that they had.
 * https://docs.slack.dev/reference/events/channel_id_changed
 */
function renamed(event: JsonObject, teamId: string, eventTime: unknown): InboundEvent {
  const { old_channel_id: old, new_channel_id: fresh, event_ts: ts } = event;
  if (typeof old !== "string" || typeof fresh !== "string") {
    throw invalid("event.new_channel_id", "must be the id of a conversation");
  }
  const peer = (peerId: string) => ({
    channel: "slack",
    accountId: teamId,
    kind: PeerKind.CHANNEL,
    peerId,
  });
  return {
    kind: "same-peer",
    samePeers: [{ peer: peer(old), sameAs: peer(fresh) }],
    moved: {
      kind: RouteKind.SLACK,
      accountId: teamId,
      address: old,
      newAddress: fresh,
      changeTime: timeOf(ts) ?? timeOf(eventTime),
    },
  };
}

/** Of a ts, or of whole seconds. */
function timeOf(seconds: unknown): Date | undefined {
  const ms = Math.floor(Number(seconds) * 1_000);
  return Number.isSafeInteger(ms) && ms > 0 ? new Date(ms) : undefined;
}

function ignored(why: string): InboundEvent {
  return { kind: "ignored", why };
}
