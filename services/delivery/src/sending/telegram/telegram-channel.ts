import type { Secret } from "@lanekeeper/service";
import { chatPieces, type FilePiece, type Piece } from "../../domain/chat-pieces.ts";
import type { SendOutcome } from "../../domain/send-outcome.ts";
import { utf16Units } from "../../domain/split-text.ts";
import type { Limits } from "../../limits.ts";
import { slowPace, takePace } from "../../store/sending/pace.ts";
import type { DeliveryDatabase } from "../../store/sql.ts";
import {
  type Channel,
  type HintOutcome,
  type HintPlace,
  leaveIfDoubtful,
  type Reply,
} from "../channel.ts";
import { nextPiece, NOTHING_TO_SHOW, taken } from "../next-piece.ts";
import type { FindToken } from "../tokens.ts";
import { callTelegram, formBody, jsonBody, type TelegramDeps } from "./telegram-api.ts";

export interface TelegramChannelDeps extends Omit<TelegramDeps, "limits"> {
  readonly db: DeliveryDatabase;
  readonly limits: Pick<Limits, "telegramTextChars" | "telegramPace" | "paceWaitMs"> &
    TelegramDeps["limits"];
  readonly findToken: FindToken;
}

/** What Telegram shows as a picture; the rest is a document. */
const PHOTOS = new Set(["image/jpeg", "image/png", "image/webp"]);

/** The handle of a picture that Telegram did not take as one. */
const AS_DOCUMENT = "document";

/**
 * Telegram's Bot API. It has no idempotency key and no way to look a message up, so what may have
 * arrived is left to the route's policy. Messages to one chat keep their distance, whatever routes and
 * replicas send there.
 */
export function telegramChannel(deps: TelegramChannelDeps): Channel {
  const bound = { limit: deps.limits.telegramTextChars, sizeOf: utf16Units };
  return {
    async send(reply, claim, signal, notes) {
      const pieces = chatPieces(reply.parts, reply.gapBefore, bound);
      const piece = nextPiece(pieces, reply, notes);
      if (piece === undefined) return NOTHING_TO_SHOW;
      const held = leaveIfDoubtful(reply, "Telegram cannot be asked");
      if (held !== undefined) return held;
      const token = await deps.findToken(reply);
      if ("problem" in token) return { kind: "failed", error: token.problem };
      const call = { ...(await callOf(reply, piece)), token: token.secret, signal };
      const paced = await waitForTurn(deps, reply, signal);
      if (paced !== undefined) return paced;
      const answer = await callTelegram(deps, { ...call, beforeSend: claim });
      if (answer.kind === "ok") return taken(pieces.length, reply, messageId(answer.result));
      const isPhoto = call.method === "sendPhoto" && answer.outcome.kind === "refused";
      if (isPhoto && /photo|image/i.test(answer.description)) {
        await notes.handle(AS_DOCUMENT);
        return { kind: "failed", error: answer.outcome.error };
      }
      return slowedDown(deps, reply, answer.outcome);
    },
    hint: (place, _, signal) => showTyping(deps, place, signal),
  };
}

async function callOf(reply: Reply, piece: Piece) {
  const { address: chat_id, threadId } = reply;
  if (piece.kind === "text") {
    const thread = threadId === "" ? {} : { message_thread_id: Number(threadId) };
    const body = jsonBody({ chat_id, text: piece.text, ...thread });
    return { method: "sendMessage", body };
  }
  const isPhoto = PHOTOS.has(piece.mediaType) && reply.pieceHandle !== AS_DOCUMENT;
  const fields = { chat_id, ...(threadId === "" ? {} : { message_thread_id: threadId }) };
  return isPhoto
    ? { method: "sendPhoto", body: await formBody(fields, fileField("photo", piece)) }
    : { method: "sendDocument", body: await formBody(fields, fileField("document", piece)) };
}

function fileField(field: string, { bytes, mediaType, fileName }: FilePiece) {
  return { field, blob: new Blob([Buffer.from(bytes)], { type: mediaType }), fileName };
}

/** Undefined: it is our turn in the chat. */
async function waitForTurn(
  { db, clock, limits }: TelegramChannelDeps,
  reply: Reply,
  signal: AbortSignal,
): Promise<SendOutcome | undefined> {
  const { directMs, groupMs } = limits.telegramPace;
  const isDirect = /^\d/.test(reply.address);
  const pace = { everyMs: isDirect ? directMs : groupMs, maxWaitMs: limits.paceWaitMs };
  const { isTaken, waitMs } = await takePace(db, reply, pace);
  if (!isTaken) return { kind: "paced", delayMs: Math.ceil(waitMs) };
  if (waitMs > 0) await clock.sleep(waitMs, signal);
  return undefined;
}

/** Other routes to the chat need not find out by themselves. */
async function slowedDown(
  { db }: TelegramChannelDeps,
  reply: Reply,
  outcome: SendOutcome,
): Promise<SendOutcome> {
  if (outcome.kind === "failed" && outcome.retryAfterMs !== undefined) {
    await slowPace(db, reply, outcome.retryAfterMs);
  }
  return outcome;
}

function messageId(result: unknown): string {
  const { message_id: id } = { ...(result as { readonly message_id?: unknown } | null) };
  return typeof id === "number" ? String(id) : "";
}

/** Shown for 5 s, or until the next message. https://core.telegram.org/bots/api#sendchataction */
async function showTyping(
  deps: TelegramChannelDeps,
  place: HintPlace,
  signal: AbortSignal,
): Promise<HintOutcome> {
  const token = await deps.findToken(place);
  if ("problem" in token) return { kind: "refused", error: token.problem };
  const { address: chat_id, threadId } = place;
  const thread = threadId === "" ? {} : { message_thread_id: Number(threadId) };
  const body = jsonBody({ chat_id, action: "typing", ...thread });
  const secret: Secret = token.secret;
  const call = { method: "sendChatAction", body, token: secret, signal };
  const answer = await callTelegram(deps, call);
  if (answer.kind === "ok") return { kind: "shown" };
  const { outcome, description, isTokenRefused = false } = answer;
  if (outcome.kind === "refused" || isTokenRefused) return { kind: "refused", error: description };
  const retryAfterMs = outcome.kind === "failed" ? outcome.retryAfterMs : undefined;
  return { kind: "failed", error: description, retryAfterMs };
}
