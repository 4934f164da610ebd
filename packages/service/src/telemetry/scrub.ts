const NAMES = [
  "(?:proxy-)?authorization",
  "(?:set-)?cookie",
  "(?:x-)?api[-_]?key",
  "password",
  "(?:client|webhook|signing|cluster)[-_]?secret",
  "(?:access|refresh|bot)[-_]?token",
].join("|");

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

/** Cheap for the usual line, which holds none of these and is left alone. */
const SUSPICIOUS = new RegExp(`bearer|lk1_|:\\/\\/[^\\s/"]*@|${NAMES}`, "i");

/**
 * Takes credentials out of a finished log line, wherever in it they stand: in a nested object, in an
 * error's text, in a request dump of some library. What our own code knows to be secret is a `Secret`
 * and never gets this far; this is for what it does not know.
 */
export function scrub(line: string): string {
  if (!SUSPICIOUS.test(line)) return line;
  return line
    .replace(NAMED, `$1"${HIDDEN}"`)
    .replace(HEADER_TEXT, `$1${HIDDEN}`)
    .replace(BEARER, `$1${HIDDEN}`)
    .replace(API_KEY, `$1${HIDDEN}`)
    .replace(URL_PASSWORD, `$1${HIDDEN}@`);
}
