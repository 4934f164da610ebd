import type { Secret } from "@lanekeeper/service";
import type { HintOutcome, HintPhase, HintPlace } from "../channel.ts";
import { callSlack, type SlackDeps } from "./slack-api.ts";

const STATUS: Readonly<Record<HintPhase, string>> = {
  queued: "is busy with another message…",
  running: "is working on it…",
};

/**
 * Slack shows a status in threads of assistants alone, and takes it away with the next message or after
 * two minutes. Elsewhere bots cannot be seen typing.
 * https://docs.slack.dev/reference/methods/assistant.threads.setStatus
 */
export async function showSlackHint(
  deps: SlackDeps,
  { address, threadId }: HintPlace,
  phase: HintPhase,
  token: Secret,
  signal: AbortSignal,
): Promise<HintOutcome> {
  if (threadId === "") return { kind: "refused", error: "Slack shows a status in threads alone" };
  const answer = await callSlack(deps, {
    method: "assistant.threads.setStatus",
    token,
    json: { channel_id: address, thread_ts: threadId, status: STATUS[phase] },
    signal,
  });
  if (answer.kind === "ok") return { kind: "shown" };
  const { outcome, error, isTokenRefused = false } = answer;
  if (outcome.kind === "refused" || isTokenRefused) return { kind: "refused", error };
  const retryAfterMs = outcome.kind === "failed" ? outcome.retryAfterMs : undefined;
  return { kind: "failed", error, retryAfterMs };
}
