import { lowerAscii } from "../text.ts";
import { byText } from "./spelling.ts";

/** Decimal ids stay text: a snowflake is larger than a double holds exactly. */
const UNSIGNED = /^(?:0|[1-9][0-9]*)$/;
const SIGNED = /^(?:0|-?[1-9][0-9]*)$/;

const DISCORD_MENTION = /^<(?:#|@!?)([0-9]+)>$/;

export const discordId = byText("a decimal snowflake, or a mention of one", (text) => {
  const id = DISCORD_MENTION.exec(text)?.[1] ?? text;
  return UNSIGNED.test(id) ? id : undefined;
});

const TELEGRAM_NAME = /^@[A-Za-z0-9_]+$/;

export const telegramId = byText("a signed decimal chat id or an @name", (text) => {
  if (TELEGRAM_NAME.test(text)) return lowerAscii(text);
  return SIGNED.test(text) ? text : undefined;
});
