/** Names that tell a credential: what may stand before, and what each has in it. */
const NAME_PARTS = [
  ["(?:proxy-)?", "authorization"],
  ["(?:set-)?", "cookie"],
  ["(?:x-)?", "api[-_]?key"],
  ["", "password"],
  ["(?:client|webhook|signing|cluster)[-_]?", "secret"],
  ["", "(?:access|refresh|bot)[-_]?token"],
] as const;

const NAMES = NAME_PARTS.map(([before, word]) => before + word).join("|");
const WORDS = NAME_PARTS.map(([, word]) => word).join("|");

const HIDDEN = "[secret]";

/** The whole string value, or array of them, after a name that tells a credential; also in `rawHeaders` lists. */
const NAMED = new RegExp(
  `("(?:${NAMES})"\\s*[:,]\\s*)(?:"(?:[^"\\\\]|\\\\.)*"|\\[[^\\]]*\\])`,
  "gi",
);
/** The header as plain text, or in JSON that is quoted inside a string. */
const HEADER_TEXT =
  /(authorization(?:\\+["'])?\s*[:=]\s*(?:\\+["'])?(?:(?:basic|bearer|bot|digest)\s+)?)[^\s"'\\,\]}]+/gi;
const BEARER = /(\bbearer\s+)[\w.~+/-]{8,}=*/gi;
/**
 * `scheme://user:password@host`. No scheme is as long as a line of text may be: with a bound, looking for one at
 * each of its words takes no longer than the line is.
 */
const URL_PASSWORD = /(\b[a-z][a-z0-9+.-]{0,31}:\/\/[^\s:/@"\\]*:)[^\s@/"\\]+@/gi;
/** An API key of ours, whole or with its end cut off; its id may be told. */
const API_KEY = /\b(lk1_[0-9a-z]{16}_)[0-9A-Za-z]+/g;

/** The C1 control characters stand in JSON as they are, and a terminal that shows a line would obey them. */
const OBEYED = /[\u0080-\u009f]/g;

/** Cheap for the usual line, which holds none of these and is left alone. */
const SUSPICIOUS = new RegExp(`${OBEYED.source}|bearer|lk1_|:\\/\\/[^\\s/"]*@|${WORDS}`, "i");

/**
 * Takes credentials out of a finished log line, wherever in it they stand: in a nested object, in an
 * error's text, in a request dump of some library. What our own code knows to be secret is a `Secret`
 * and never gets this far; this is for what it does not know. Control characters are written out on the way.
 */
export function scrub(line: string): string {
  if (!SUSPICIOUS.test(line)) return line;
  return line
    .replace(NAMED, `$1"${HIDDEN}"`)
    .replace(HEADER_TEXT, `$1${HIDDEN}`)
    .replace(BEARER, `$1${HIDDEN}`)
    .replace(API_KEY, `$1${HIDDEN}`)
    .replace(URL_PASSWORD, `$1${HIDDEN}@`)
    .replace(OBEYED, escaped);
}

/** As JSON writes it; it stands within a string there, and nowhere else. */
function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
