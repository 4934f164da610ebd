import { equalSecrets, type InboundEvent } from "@lanekeeper/adapter-kit";
import { ChannelKind } from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import { boundedSignal } from "@lanekeeper/service";
import { parseJsonObject, requireJson } from "../../http/json-body.ts";
import type { JsonObject } from "../../http/json-body.ts";
import type { ChannelAdapter, ReadContext } from "../adapter.ts";
import { MAX_FILE_BYTES } from "../fetch-bytes.ts";
import { headerOf } from "../header.ts";
import { TelegramApi } from "./api.ts";
import { eventOf } from "./update.ts";

/** A file that takes longer is named, not passed on; the rest of the time is the turn's acceptance. */
const FETCH_MS = 5_000;

/** Between Telegram's posts of an album, beside the fetching of its files; and the longest that is waited for. */
const QUIET_MS = 1_000;
const MAX_QUIET_MS = 10_000;

/**
 * Telegram posts the next of a chat once it has an answer to the last, so the next file of an album comes after it was
 * fetched here: that takes about as long as this one did, or twice that.
 */
function withQuiet(event: InboundEvent, fetchedMs: number): InboundEvent {
  if (event.kind !== "message" || event.groupId === undefined) return event;
  const groupQuietMs = Math.min(MAX_QUIET_MS, Math.ceil(QUIET_MS + 2 * fetchedMs));
  return { ...event, groupQuietMs };
}

/** What the adapter is made with. */
export interface TelegramOptions {
  /** Where the Bot API is, with a slash at the end. */
  readonly apiUrl: URL;
  readonly maxJsonDepth: number;
}

/** Reads updates, those that are posted and those that are asked for. */
export interface TelegramAdapter extends ChannelAdapter {
  readUpdate(
    update: JsonObject,
    context: Pick<ReadContext, "account" | "signal" | "token">,
  ): Promise<InboundEvent>;
}

/**
 * Telegram's Bot API. Posts show the `secret_token` that setWebhook was given; nothing is signed.
 * https://core.telegram.org/bots/api#setwebhook
 */
export function telegramAdapter({ apiUrl, maxJsonDepth }: TelegramOptions): TelegramAdapter {
  const readUpdate: TelegramAdapter["readUpdate"] = (update, { account, token, signal }) => {
    const api = new TelegramApi(apiUrl, token);
    const ending = boundedSignal(signal, FETCH_MS);
    return eventOf(update, account.accountId, async (fileId) =>
      token === "" ? undefined : api.file(fileId, MAX_FILE_BYTES, ending),
    );
  };
  return {
    kind: ChannelKind.TELEGRAM,
    word: "telegram",
    source: "telegram/1.0",
    ackWithinMs: 15_000,
    saysInPlace: true,
    isGenuine: (raw, _account, secret) =>
      equalSecrets(headerOf(raw, "x-telegram-bot-api-secret-token"), secret),
    readUpdate,
    read: async (raw, context) => {
      requireJson(raw.headers["content-type"], raw.headers["content-encoding"]);
      const update = parseJsonObject(raw.body, maxJsonDepth);
      const startedMs = performance.now();
      const event = withQuiet(await readUpdate(update, context), performance.now() - startedMs);
      const { accountId } = context.account;
      return { kind: "event", event, accountId, scope: "adapter" };
    },
    // An answer with a method in it would be a call of the Bot API: replies are delivery's alone.
    answer: () => ({ status: 200, body: {} }),
  };
}
