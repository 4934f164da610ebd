import { boundedSignal, type Secret } from "@lanekeeper/service";
import { chatPieces } from "../../domain/chat-pieces.ts";
import type { SendOutcome } from "../../domain/send-outcome.ts";
import { slackText, slackUnits } from "../../domain/slack-text.ts";
import type { Limits } from "../../limits.ts";
import { type Channel, type ClaimSend, leaveIfDoubtful, type Reply } from "../channel.ts";
import { nextPiece, NOTHING_TO_SHOW, taken } from "../next-piece.ts";
import type { FindToken } from "../tokens.ts";
import { EVENT_TYPE, findMessage } from "./find-message.ts";
import { shareFile } from "./share-file.ts";
import { showSlackHint } from "./show-hint.ts";
import { callSlack, type SlackDeps } from "./slack-api.ts";

export interface SlackChannelDeps extends Omit<SlackDeps, "limits"> {
  readonly limits: Pick<Limits, "slackTextChars" | "slackLookUpPages" | "preparationMs"> &
    SlackDeps["limits"];
  readonly findToken: FindToken;
}

/**
 * Slack's Web API. Each message carries the delivery's id and its piece as metadata, each file has an
 * id before it is shared, so that what may have arrived is looked for and not sent twice. Where Slack
 * does not let us look, the route's policy decides.
 */
export function slackChannel(deps: SlackChannelDeps): Channel {
  const bound = { limit: deps.limits.slackTextChars, sizeOf: slackUnits };
  return {
    async send(reply, claim, signal, notes) {
      const pieces = chatPieces(reply.parts, reply.gapBefore, bound);
      const piece = nextPiece(pieces, reply, notes);
      if (piece === undefined) return NOTHING_TO_SHOW;
      const token = await deps.findToken(reply);
      if ("problem" in token) return { kind: "failed", error: token.problem };
      const about = { reply, token: token.secret, claim, signal, notes, pieceCount: pieces.length };
      return piece.kind === "text"
        ? postText(deps, about, piece.text)
        : shareFile(deps, about, piece);
    },
    async hint(place, phase, signal) {
      const token = await deps.findToken(place);
      return "problem" in token
        ? { kind: "refused", error: token.problem }
        : showSlackHint(deps, place, phase, token.secret, signal);
    },
  };
}

async function postText(
  deps: SlackChannelDeps,
  { reply, token, claim, signal, pieceCount }: Post,
  text: string,
): Promise<SendOutcome> {
  const settled = reply.isDoubtful ? await settle(deps, reply, token, signal) : undefined;
  if (settled !== undefined)
    return settled.ts === undefined ? settled.outcome : taken(pieceCount, reply, settled.ts);
  const answer = await callSlack(deps, {
    method: "chat.postMessage",
    token,
    json: message(reply, text),
    signal,
    beforeSend: claim,
  });
  if (answer.kind === "no") return answer.outcome;
  const { ts } = answer.body;
  return taken(pieceCount, reply, typeof ts === "string" ? ts : "");
}

interface Post {
  readonly reply: Reply;
  readonly token: Secret;
  readonly claim: ClaimSend;
  readonly signal: AbortSignal;
  readonly pieceCount: number;
}

type Settled =
  | { readonly ts: string; readonly outcome?: undefined }
  | { readonly ts?: undefined; readonly outcome: SendOutcome };

/** Whether a doubtful message arrived; undefined: it did not, or it is to be sent again. */
async function settle(
  deps: SlackChannelDeps,
  reply: Reply,
  token: Secret,
  signal: AbortSignal,
): Promise<Settled | undefined> {
  const look = { ...deps, pages: deps.limits.slackLookUpPages };
  const bounded = boundedSignal(signal, deps.limits.preparationMs);
  const found = await findMessage(look, reply, token, bounded);
  switch (found.kind) {
    case "found":
      return { ts: found.ts };
    case "absent":
      return undefined;
    case "later":
      return { outcome: found.outcome };
    case "cannot_tell": {
      const held = leaveIfDoubtful(reply, found.why);
      return held === undefined ? undefined : { outcome: held };
    }
  }
}

function message({ address, threadId, deliveryId, acceptedPieces }: Reply, text: string): object {
  const payload = { delivery_id: deliveryId, piece: acceptedPieces + 1 };
  return {
    channel: address,
    text: slackText(text),
    ...(threadId === "" ? {} : { thread_ts: threadId }),
    metadata: { event_type: EVENT_TYPE, event_payload: payload },
  };
}
