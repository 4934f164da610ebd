import { isObject, type JsonObject } from "../../http/json-body.ts";
import { plainText } from "./text.ts";

/** What a message brings along of others. */
export interface Forwarded {
  /** What they say, each with who said it. */
  readonly texts: readonly string[];
  readonly files: readonly unknown[];
}

/**
 * The messages that one passes on: Slack puts them in its `attachments`, where previews of links stand too, and
 * leaves the text for what the person says to them.
 * @see https://docs.slack.dev/legacy/legacy-messaging/legacy-secondary-message-attachments
 */
export function forwardedIn(attachments: unknown): Forwarded {
  const listed = Array.isArray(attachments) ? attachments.filter((one) => isObject(one)) : [];
  const shared = listed.filter((one) => one["is_share"] === true || one["is_msg_unfurl"] === true);
  return { texts: shared.flatMap(textOf), files: shared.flatMap(filesOf) };
}

/** Of one without a text, such as a picture, its files alone. */
function textOf(message: JsonObject): string[] {
  const said = wordsOf(message["text"]) ?? wordsOf(message["fallback"]);
  if (said === undefined) return [];
  const author = wordsOf(message["author_name"]);
  return [`(forwarded${author === undefined ? "" : ` from ${author}`}) ${said}`];
}

function filesOf({ files }: JsonObject): unknown[] {
  return Array.isArray(files) ? files : [];
}

function wordsOf(value: unknown): string | undefined {
  return typeof value === "string" && value.trim() !== "" ? plainText(value) : undefined;
}
