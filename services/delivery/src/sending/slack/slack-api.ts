import type { Secret } from "@lanekeeper/service";
import { type SlackAnswer, slackAnswer } from "../../domain/slack-answer.ts";
import { type ApiDeps, callApi } from "../http/api.ts";

export interface SlackDeps extends ApiDeps {
  /** Ends with a slash; https://slack.com/api/ unless configured. */
  readonly baseUrl: URL;
}

/** One method of Slack's Web API. */
export interface SlackCall {
  readonly method: string;
  readonly token: Secret;
  /** Methods that read take a form, those that write JSON: Slack refuses the other of each. */
  readonly form?: Readonly<Record<string, string>>;
  readonly json?: object;
  readonly signal: AbortSignal;
  readonly beforeSend?: () => Promise<void>;
}

export async function callSlack(deps: SlackDeps, call: SlackCall): Promise<SlackAnswer> {
  const { method, token, form, json, signal, beforeSend } = call;
  const answer = await callApi(deps, {
    url: new URL(method, deps.baseUrl),
    headers: {
      authorization: `Bearer ${token.reveal()}`,
      "content-type":
        form === undefined
          ? "application/json; charset=utf-8"
          : "application/x-www-form-urlencoded; charset=utf-8",
    },
    body: form === undefined ? JSON.stringify(json) : new URLSearchParams(form).toString(),
    signal,
    ...(beforeSend === undefined ? {} : { beforeSend }),
  });
  switch (answer.kind) {
    case "answered":
      return slackAnswer(answer.status, answer.json, answer.retryAfterMs);
    case "no_connection":
      return no("no_connection", { kind: "failed", error: answer.error });
    case "no_answer":
      return no("no_answer", { kind: "unknown", error: answer.error });
  }
}

function no(error: string, outcome: Extract<SlackAnswer, { kind: "no" }>["outcome"]): SlackAnswer {
  return { kind: "no", error, outcome };
}
