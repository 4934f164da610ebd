import { createHash } from "node:crypto";
import type { InboundEvent, StoppableTurn } from "@lanekeeper/adapter-kit";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { invalid } from "@lanekeeper/rpc";
import type { JsonObject } from "../../http/json-body.ts";
import { isObject } from "../../http/json-body.ts";
import { objectAt } from "./api.ts";
import { commandIn } from "./command.ts";
import { type FetchFile, partsOf } from "./parts.ts";

/** The kinds of updates that are asked for; what else comes is ignored. */
export const UPDATE_KINDS = [
  "message",
  "edited_message",
  "channel_post",
  "edited_channel_post",
] as const;

const PEER_KINDS: ReadonlyMap<unknown, PeerKind> = new Map([
  ["private", PeerKind.DIRECT],
  ["group", PeerKind.GROUP],
  ["supergroup", PeerKind.GROUP],
  ["channel", PeerKind.CHANNEL],
]);

/** Between Telegram's clock, which tells whole seconds, and ours. */
const CLOCK_SKEW_MS = 11_000;

/**
 * The event that an update tells.
 * @param accountId the bot as the configuration names it, best by its user name
 * @throws INVALID_REQUEST for what is no update
 * @see https://core.telegram.org/bots/api#update
 */
export async function eventOf(
  update: JsonObject,
  accountId: string,
  fetchFile: FetchFile,
): Promise<InboundEvent> {
  const updateId = update["update_id"];
  if (!Number.isSafeInteger(updateId)) throw invalid("update_id", "must be a whole number");
  const kind = UPDATE_KINDS.find((name) => isObject(update[name]));
  if (kind === undefined)
    return { kind: "ignored", why: `an update of ${Object.keys(update).join(", ")}` };
  const message = objectAt(update, kind);
  const scene = sceneOf(message, accountId);
  if (scene === undefined) throw invalid(`${kind}.chat`, "must be a chat with an id and a type");
  return (
    migration(message, scene) ??
    fromBot(message) ??
    commandEvent(message, scene, String(updateId), kind) ??
    (await messageEvent(message, scene, kind, fetchFile))
  );
}

/** Who is spoken to. */
interface Scene {
  readonly accountId: string;
  readonly chatId: string;
  readonly peerKind: PeerKind;
  readonly threadId: string;
}

function sceneOf(message: JsonObject, accountId: string): Scene | undefined {
  const chat = objectAt(message, "chat");
  const peerKind = PEER_KINDS.get(chat["type"]);
  if (peerKind === undefined || !Number.isSafeInteger(chat["id"])) return undefined;
  return { accountId, peerKind, chatId: String(chat["id"]), threadId: topicOf(message) };
}

/** Replies in groups without topics carry the thread of their first message: that is no topic. */
function topicOf(message: JsonObject): string {
  const thread = message["message_thread_id"];
  return message["is_topic_message"] === true && Number.isSafeInteger(thread) ? String(thread) : "";
}

function peerOf({ accountId, chatId, peerKind, threadId }: Scene, peerId = chatId) {
  return { channel: "telegram", accountId, kind: peerKind, peerId, threadId };
}

/** Told in the old group and in the new one, in either order. */
function migration(message: JsonObject, scene: Scene): InboundEvent | undefined {
  const [to, from] = [message["migrate_to_chat_id"], message["migrate_from_chat_id"]];
  if (!Number.isSafeInteger(to) && !Number.isSafeInteger(from)) return undefined;
  const [older, newer] = Number.isSafeInteger(to) ? [scene.chatId, to] : [from, scene.chatId];
  const group = { ...scene, threadId: "" };
  const [address, newAddress] = [String(older), String(newer)];
  const samePeers = [{ peer: peerOf(group, address), sameAs: peerOf(group, newAddress) }];
  const { accountId } = scene;
  const changeTime = timeOf(message["date"]);
  const moved = { kind: RouteKind.TELEGRAM, accountId, address, newAddress, changeTime };
  return { kind: "same-peer", samePeers, moved };
}

/** Of whole seconds. */
function timeOf(seconds: unknown): Date | undefined {
  return Number.isSafeInteger(seconds) && Number(seconds) > 0
    ? new Date(Number(seconds) * 1_000)
    : undefined;
}

/** Anonymous administrators and channels speak through a bot of Telegram's own, and say for whom. */
function fromBot(message: JsonObject): InboundEvent | undefined {
  const isBot = objectAt(message, "from")["is_bot"] === true;
  if (!isBot || isObject(message["sender_chat"])) return undefined;
  return { kind: "ignored", why: "a bot's message" };
}

function commonOf(message: JsonObject, scene: Scene, eventId: string) {
  const { accountId, chatId: address, threadId } = scene;
  return {
    eventId,
    name: { case: "peer" as const, value: peerOf(scene) },
    place: { kind: RouteKind.TELEGRAM, accountId, address, threadId },
    senderId: senderOf(message, scene),
    messageId: messageIdOf(message, scene),
  };
}

/** Ids of messages are a chat's own. */
function messageIdOf(message: JsonObject, { chatId }: Scene): string {
  return `${chatId}/${String(message["message_id"])}`;
}

function senderOf(message: JsonObject, { chatId }: Scene): string {
  for (const name of ["sender_chat", "from"]) {
    const id = objectAt(message, name)["id"];
    if (Number.isSafeInteger(id)) return String(id);
  }
  return chatId;
}

/** A message that is edited into a command is none: it was one, or was not, when it was sent. */
function commandEvent(
  message: JsonObject,
  scene: Scene,
  eventId: string,
  kind: string,
): InboundEvent | undefined {
  const text = message["text"];
  if (typeof text !== "string") return undefined;
  const command = commandIn(text, scene.accountId);
  if (command === undefined) return undefined;
  if (command === "another bot's") return { kind: "ignored", why: "a command of another bot" };
  if (kind.startsWith("edited_")) return { kind: "ignored", why: "a command that was edited" };
  const common = commonOf(message, scene, eventId);
  const isAbout = (turn: StoppableTurn): boolean => came(turn, message, scene);
  return { ...common, kind: "command", command, isAbout };
}

/** Ids of messages grow within a chat; another chat's, or another channel's, are told apart by time. */
function came(
  { messageId, acceptTime }: StoppableTurn,
  message: JsonObject,
  scene: Scene,
): boolean {
  const prefix = `${scene.chatId}/`;
  const id = Number(messageId.slice(prefix.length));
  if (messageId.startsWith(prefix) && Number.isSafeInteger(id))
    return id < Number(message["message_id"]);
  return acceptTime.getTime() <= Number(message["date"]) * 1_000 + CLOCK_SKEW_MS;
}

/** The files of an album are messages of their own. An edit of one is not sent with the others. */
function groupOf(message: JsonObject, isEdited: boolean): { readonly groupId?: string } {
  const groupId = message["media_group_id"];
  return isEdited || typeof groupId !== "string" ? {} : { groupId: groupId.slice(0, 128) };
}

/** For so long a turn's idempotency key is known, at least. */
const KNOWN_FOR_S = 24 * 60 * 60;

/** Whether an edit can be told from a change of something else: by what the message's turn was made of. */
function isKnownStill({ date, edit_date: editDate }: JsonObject): boolean {
  return typeof editDate === "number" && editDate - Number(date) < KNOWN_FOR_S;
}

/**
 * A message's id is its own with what it says: an update of a message that was edited "may at times be triggered
 * by changes to message fields that are either unavailable or not actively used", such as a reaction. What
 * says the same is a repeat then, whatever the update's id.
 * https://core.telegram.org/bots/api#update
 */
async function messageEvent(
  message: JsonObject,
  scene: Scene,
  kind: string,
  fetchFile: FetchFile,
): Promise<InboundEvent> {
  const isEdited = kind.startsWith("edited_");
  if (isEdited && !isKnownStill(message))
    return { kind: "ignored", why: "a change that may be none of what was said" };
  const { parts, content: said } = await partsOf(message, isEdited, fetchFile);
  if (parts.length === 0) return { kind: "ignored", why: "nothing that could be answered" };
  const messageId = messageIdOf(message, scene);
  const content = JSON.stringify([messageId, said]);
  const digest = createHash("sha256").update(content).digest("hex").slice(0, 16);
  const common = commonOf(message, scene, `${messageId}/${digest}`);
  return { ...common, kind: "message", ...groupOf(message, isEdited), parts, content };
}
