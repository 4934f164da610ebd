import type { Outcome } from "@lanekeeper/adapter-kit";
import { ChannelKind } from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import { invalid } from "@lanekeeper/rpc";
import { boundedSignal } from "@lanekeeper/service";
import { parseJsonObject, requireJson } from "../../http/json-body.ts";
import type { ChannelAdapter, ChannelAnswer, RawEvent, ReadContext, Reading } from "../adapter.ts";
import { headerOf } from "../header.ts";
import { eventOf } from "./event.ts";
import { installationOf } from "./installation.ts";
import { isSlackPost } from "./signature.ts";
import { slashCommandOf } from "./slash-command.ts";

/** A file that takes longer is named, not passed on: the turn's acceptance needs the rest. */
const FETCH_MS = 1_200;

/** What the adapter is made with. */
export interface SlackOptions {
  /** Where the Web API is, with a slash at the end. */
  readonly apiUrl: URL;
  readonly maxJsonDepth: number;
}

/**
 * Slack's Events API and slash commands.
 * https://docs.slack.dev/apis/events-api
 */
export function slackAdapter(options: SlackOptions): ChannelAdapter {
  return {
    kind: ChannelKind.SLACK,
    word: "slack",
    source: "slack/1.0",
    // Slack waits for 3 s, and sends an event that it heard nothing of again, three times.
    ackWithinMs: 2_500,
    saysInPlace: true,
    isGenuine: (raw, _account, secret) => isSlackPost(raw, secret),
    read: async (raw, context) =>
      headerOf(raw, "content-type").startsWith("application/x-www-form-urlencoded")
        ? readCommand(raw)
        : readEvent(raw, context, options),
    answer: answerOf,
  };
}

function readCommand({ body, now }: RawEvent): Reading {
  const form = new URLSearchParams(body.toString("utf8"));
  const accountId = form.get("team_id") ?? "";
  return { kind: "event", event: slashCommandOf(form, now), accountId, scope: "adapter" };
}

async function readEvent(
  raw: RawEvent,
  { token, signal }: ReadContext,
  { apiUrl, maxJsonDepth }: SlackOptions,
): Promise<Reading> {
  requireJson(raw.headers["content-type"], raw.headers["content-encoding"]);
  const payload = parseJsonObject(raw.body, maxJsonDepth);
  const { type, challenge } = payload;
  if (type === "url_verification") {
    if (typeof challenge !== "string") throw invalid("challenge", "must be a string");
    return { kind: "answer", answer: { status: 200, body: { challenge } } };
  }
  if (type !== "event_callback") {
    const event = { kind: "ignored", why: `a post of type ${String(type)}` } as const;
    const answer = answerOf(event);
    return type === "app_rate_limited"
      ? { kind: "answer", answer, warning: leftOut(payload["minute_rate_limited"]) }
      : { kind: "answer", answer };
  }
  const ending = boundedSignal(signal, FETCH_MS);
  const event = await eventOf(payload, { token, apiUrl, signal: ending });
  const accountId = installationOf(payload).teamId ?? "";
  return { kind: "event", event, accountId, scope: "adapter" };
}

/** https://docs.slack.dev/apis/events-api#rate-limiting */
function leftOut(minute: unknown): string {
  const from = new Date(typeof minute === "number" ? minute * 1_000 : Number.NaN);
  const when = Number.isNaN(from.getTime()) ? "" : ` in the minute from ${from.toISOString()} on`;
  return `Slack has left events out${when}: there were too many`;
}

/** To a slash command the answer is what its person reads; Slack reads no other. */
function answerOf(outcome: Outcome): ChannelAnswer {
  const isToBeTold = outcome.kind === "command" && !outcome.isSaid;
  const body = isToBeTold ? { response_type: "ephemeral", text: outcome.text } : {};
  return { status: 200, body };
}
