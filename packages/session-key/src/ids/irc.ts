import { byText } from "./spelling.ts";

const UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ[]\\~";
const LOWER = "abcdefghijklmnopqrstuvwxyz{}|^";

/** The casemapping `rfc1459` of RFC 2812, 2.2: the Scandinavian brackets have cases too. */
export const ircName = byText("a name", (text) =>
  text.replace(/[A-Z[\]\\~]/g, (character) => LOWER.charAt(UPPER.indexOf(character))),
);
