import type { Secret } from "@lanekeeper/service";
import type { SlackAnswer } from "../../domain/slack-answer.ts";
import { callSlack, type SlackDeps } from "./slack-api.ts";

export type Opened =
  | { readonly kind: "opened"; readonly channel: string }
  | Extract<SlackAnswer, { kind: "no" }>;

/**
 * The id of the conversation that an address leads to. A user (`U…`, `W…`) has one with the app, which only
 * chat.postMessage finds by itself; opening it again gives the same. Needs the scope `im:write`.
 * https://docs.slack.dev/reference/methods/conversations.open
 */
export async function openConversation(
  deps: SlackDeps,
  address: string,
  token: Secret,
  signal: AbortSignal,
): Promise<Opened> {
  if (!/^[UW]/.test(address)) return { kind: "opened", channel: address };
  const json = { users: address };
  const answer = await callSlack(deps, { method: "conversations.open", json, token, signal });
  if (answer.kind === "no") return answer;
  const { id } = { ...(answer.body["channel"] as { readonly id?: unknown } | null | undefined) };
  if (typeof id === "string") return { kind: "opened", channel: id };
  const error = "no conversation";
  return { kind: "no", error, outcome: { kind: "failed", error: `Slack answered ${error}` } };
}
