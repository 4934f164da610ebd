/** An escaped character and the combining marks (General_Category M) that stand right behind it. */
const ESCAPED = /[%:]\p{M}*/gu;

/**
 * A component as it stands in a key: `:` and `%` percent-encoded, and with them every combining
 * mark that follows at once. Left alone, such a mark would compose with the last hex digit (`%3A`
 * and U+030A make `%3Å`), so that the key would not be NFC and two names could become one.
 */
export function encodeComponent(text: string): string {
  return text.replace(ESCAPED, percentEncode);
}

/** The text behind an encoded component; undefined when the encoding is not the one above. */
export function decodeComponent(encoded: string): string | undefined {
  try {
    const text = decodeURIComponent(encoded);
    return encodeComponent(text) === encoded ? text : undefined;
  } catch {
    return undefined;
  }
}

function percentEncode(text: string): string {
  const bytes = Buffer.from(text, "utf8");
  return Array.from(bytes, (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(
    "",
  );
}
