import type {
  EventName,
  InboundEvent,
  PartInit,
  PeerInit,
  ReplyPlace,
} from "@lanekeeper/adapter-kit";
import { isCommand } from "@lanekeeper/adapter-kit";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import type { InboundAccount } from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import { invalid } from "@lanekeeper/rpc";
import { isObject, type JsonObject } from "../../http/json-body.ts";
import { filesOf } from "./files.ts";

const FIELDS = new Set([
  "command",
  "files",
  "id",
  "message_id",
  "peer",
  "sender_id",
  "sent_at",
  "session_key",
  "text",
]);
const PEER_FIELDS = new Set(["id", "kind", "thread"]);

const KINDS: ReadonlyMap<string, PeerKind> = new Map([
  ["direct", PeerKind.DIRECT],
  ["group", PeerKind.GROUP],
  ["channel", PeerKind.CHANNEL],
]);

/** Between a sender's clock and ours. */
const CLOCK_SKEW_MS = 10_000;

/** What stands around a post's body. */
export interface PostScene {
  readonly account: InboundAccount;
  /** From the signed header; empty: the body's `id` is the event's. */
  readonly headerId: string;
  readonly body: Uint8Array;
  /** When the post was signed, or came. */
  readonly now: Date;
}

/** The event that a post's JSON tells. @throws INVALID_REQUEST naming the field */
export function eventOf(post: JsonObject, scene: PostScene): InboundEvent {
  refuseOthers("", post, FIELDS);
  const { account, headerId, body } = scene;
  const common = {
    eventId: eventIdOf(post, headerId),
    name: nameOf(post, account),
    place: placeOf(account),
    senderId: smallField(post, "sender_id", 256),
  };
  const sentAt = timeOf(post, scene.now);
  const command = textField(post, "command", 16);
  if (command !== "") {
    if (!isCommand(command)) throw invalid("command", "must be new, status or stop");
    const untilMs = sentAt.getTime() + CLOCK_SKEW_MS;
    return {
      ...common,
      kind: "command",
      command,
      isAbout: ({ acceptTime }) => acceptTime.getTime() <= untilMs,
    };
  }
  const messageId = smallField(post, "message_id", 512);
  return { ...common, kind: "message", messageId, parts: partsOf(post), content: body };
}

/** Without a signed header only the body is signed, so the id has to stand in it. */
function eventIdOf(post: JsonObject, headerId: string): string {
  const id = textField(post, "id", 128);
  const eventId = headerId === "" ? id : headerId;
  if (/^[!-~]{1,128}$/.test(eventId)) return eventId;
  throw invalid(
    headerId === "" ? "id" : "webhook-id",
    "must be 1 to 128 visible ASCII characters: the event's own id, the same at every attempt",
  );
}

function nameOf(post: JsonObject, { accountId, webhook }: InboundAccount): EventName {
  const { session_key: key, peer } = post;
  if ((key === undefined) === (peer === undefined)) {
    throw invalid("session_key", "send either session_key or peer");
  }
  if (peer === undefined) {
    if (typeof key !== "string") throw invalid("session_key", "must be a string");
    return { case: "rawKey", value: key };
  }
  if (!isObject(peer)) throw invalid("peer", "must be an object");
  refuseOthers("peer.", peer, PEER_FIELDS);
  const kind = KINDS.get(textField(peer, "kind", 16, "peer."));
  if (kind === undefined) throw invalid("peer.kind", "must be direct, group or channel");
  const value: PeerInit = {
    channel: webhook?.channel || "webhook",
    accountId,
    kind,
    peerId: textField(peer, "id", 1_024, "peer."),
    threadId: textField(peer, "thread", 1_024, "peer."),
  };
  return { case: "peer", value };
}

function placeOf({ webhook }: InboundAccount): ReplyPlace | undefined {
  const address = webhook?.replyUrl ?? "";
  if (address === "") return undefined;
  return { kind: RouteKind.WEBHOOK, accountId: "", address, threadId: "" };
}

function partsOf(post: JsonObject): PartInit[] {
  const text = textField(post, "text", 262_144);
  const files = filesOf(post["files"]);
  if (text === "" && files.length === 0) throw invalid("text", "send text, files or a command");
  const said: PartInit[] = text === "" ? [] : [{ content: { case: "text", value: text } }];
  return [...said, ...files];
}

function timeOf(post: JsonObject, now: Date): Date {
  const text = textField(post, "sent_at", 64);
  if (text === "") return now;
  const time = /^\d{4}-\d\d-\d\dT/.test(text) ? new Date(text) : new Date(Number.NaN);
  if (Number.isNaN(time.getTime())) {
    throw invalid("sent_at", "must be a time such as 2026-01-31T12:00:00Z");
  }
  return time;
}

function refuseOthers(path: string, object: JsonObject, known: ReadonlySet<string>): void {
  const other = Object.keys(object).find((name) => !known.has(name));
  if (other !== undefined) throw invalid(`${path}${other}`.slice(0, 200), "is not known here");
}

/** The same, within the runner's bound: what it refuses would have opened its session. */
function smallField(object: JsonObject, name: string, maxBytes: number): string {
  const value = textField(object, name, maxBytes);
  if (Buffer.byteLength(value) <= maxBytes) return value;
  throw invalid(name, `must be at most ${maxBytes} bytes`);
}

/** Empty where the field is missing. @throws INVALID_REQUEST */
function textField(object: JsonObject, name: string, maxChars: number, path = ""): string {
  const value = object[name];
  if (value === undefined) return "";
  if (typeof value !== "string") throw invalid(`${path}${name}`, "must be a string");
  if (value.length <= maxChars) return value;
  throw invalid(`${path}${name}`, `must be at most ${maxChars} characters`);
}
