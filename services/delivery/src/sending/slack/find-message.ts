import type { Secret } from "@lanekeeper/service";
import type { SendOutcome } from "../../domain/send-outcome.ts";
import type { Reply } from "../channel.ts";
import { openConversation } from "./open-conversation.ts";
import { callSlack, type SlackDeps } from "./slack-api.ts";

/** Marks our messages, so that a later look tells whether one arrived. */
export const EVENT_TYPE = "lanekeeper_reply";

/** Ours and Slack's clock may differ by so much; the delivery was stored before its first attempt. */
const MARGIN_S = 300;

export type Found =
  | { readonly kind: "found"; readonly ts: string }
  | { readonly kind: "absent" }
  /** Slack does not let us look, or there is too much to look through. */
  | { readonly kind: "cannot_tell"; readonly why: string }
  /** Slack cannot be asked now. */
  | { readonly kind: "later"; readonly outcome: SendOutcome };

/** Looks through what was said since the reply was stored for the metadata of its next piece. */
export async function findMessage(
  deps: SlackDeps & { readonly pages: number },
  reply: Reply,
  token: Secret,
  signal: AbortSignal,
): Promise<Found> {
  const opened = await openConversation(deps, reply.address, token, signal);
  if (opened.kind === "no") return notTold(opened.error, opened.outcome);
  let cursor = "";
  for (let page = 0; page < deps.pages; page++) {
    const answer = await callSlack(deps, { ...look(reply, opened.channel, cursor), token, signal });
    if (answer.kind === "no") return notTold(answer.error, answer.outcome);
    const ts = messages(answer.body).find((message) => isIt(message, reply))?.["ts"];
    if (typeof ts === "string") return { kind: "found", ts };
    cursor = nextCursor(answer.body);
    if (cursor === "") return { kind: "absent" };
  }
  return { kind: "cannot_tell", why: "too much was said since" };
}

function look({ threadId, createTime }: Reply, channel: string, cursor: string) {
  const oldest = String(Math.floor(createTime.getTime() / 1_000) - MARGIN_S);
  const common = { channel, oldest, limit: "200", include_all_metadata: "true" };
  const paged = cursor === "" ? common : { ...common, cursor };
  return threadId === ""
    ? { method: "conversations.history", form: paged }
    : { method: "conversations.replies", form: { ...paged, ts: threadId } };
}

/** What Slack may answer differently in a moment is asked again; a missing scope stays missing. */
function notTold(error: string, outcome: SendOutcome): Found {
  if (outcome.kind === "refused") return { kind: "cannot_tell", why: `Slack answered ${error}` };
  if (outcome.kind !== "unknown") return { kind: "later", outcome };
  return { kind: "later", outcome: { kind: "failed", error: outcome.error } };
}

type Message = Readonly<Record<string, unknown>>;

function messages(body: Message): readonly Message[] {
  return Array.isArray(body["messages"]) ? body["messages"].filter(isRecord) : [];
}

function isIt(message: Message, { deliveryId, acceptedPieces }: Reply): boolean {
  const metadata = message["metadata"];
  if (!isRecord(metadata) || metadata["event_type"] !== EVENT_TYPE) return false;
  const payload = metadata["event_payload"];
  if (!isRecord(payload)) return false;
  return payload["delivery_id"] === deliveryId && payload["piece"] === acceptedPieces + 1;
}

function nextCursor(body: Message): string {
  const metadata = body["response_metadata"];
  const cursor = isRecord(metadata) ? metadata["next_cursor"] : undefined;
  return typeof cursor === "string" ? cursor : "";
}

function isRecord(value: unknown): value is Message {
  return typeof value === "object" && value !== null;
}
