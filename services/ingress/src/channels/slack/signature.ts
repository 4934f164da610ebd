import { isHmacOf, isRecent } from "@lanekeeper/adapter-kit";
import type { RawEvent } from "../adapter.ts";
import { headerOf } from "../header.ts";

/** How old a post may be, as Slack recommends. */
const WINDOW_MS = 5 * 60_000;

/** https://docs.slack.dev/authentication/verifying-requests-from-slack */
export function isSlackPost(raw: RawEvent, secret: string): boolean {
  const timestamp = headerOf(raw, "x-slack-request-timestamp");
  if (!isRecent(timestamp, raw.now, WINDOW_MS)) return false;
  const signature = headerOf(raw, "x-slack-signature");
  const rules = { secret, before: `v0:${timestamp}:`, prefix: "v0=", encoding: "hex" } as const;
  return isHmacOf(raw.body, signature, rules);
}
