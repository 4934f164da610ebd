import type { SizeOf } from "./split-text.ts";

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

/**
 * As Slack wants it: the three characters that begin its own markup are escaped, so that no model and
 * nobody who made it say so can notify a channel by "<!channel>".
 * https://docs.slack.dev/messaging/formatting-message-text#escaping
 */
export function slackText(text: string): string {
  return text.replace(/[&<>]/g, (character) => ESCAPES[character] ?? character);
}

/** How much a code point takes once it is escaped. */
export const slackUnits: SizeOf = (codePoint) => (ESCAPES[codePoint] ?? codePoint).length;
