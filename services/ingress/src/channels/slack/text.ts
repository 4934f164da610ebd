/**
 * What a person reads: Slack escapes three characters, and puts addresses in angle brackets, in which no other
 * bracket stands: so a text takes no longer than it has characters, however many of them open one.
 * https://docs.slack.dev/messaging/formatting-message-text
 */
export function plainText(text: string): string {
  return text
    .replaceAll(/<(https?:\/\/[^|<>]+)\|([^<>]*)>/g, "$2 ($1)")
    .replaceAll(/<((?:https?|mailto):[^|<>]+)(?:\|[^<>]*)?>/g, "$1")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&");
}

/** A text without the mention of its bot at the beginning: what is said to it. */
export function withoutMention(text: string, botUserIds: readonly string[]): string {
  const [mention = "", userId = ""] = /^\s*<@([A-Z0-9]+)(?:\|[^>]*)?>\s*/.exec(text) ?? [];
  return botUserIds.includes(userId) ? text.slice(mention.length) : text;
}
