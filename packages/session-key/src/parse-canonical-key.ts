import type { CanonicalKey } from "./canonical-key.ts";
import { normalizeRawKey } from "./normalize-raw-key.ts";
import { type KeyRefusal, refuse } from "./refusal.ts";
import { firstDifference } from "./text.ts";

/**
 * For every field called `session_key`: the text as it stands is canonical, or it is refused
 * (MALFORMED_KEY, KEY_TOO_LONG). Nothing is fixed up, since a second normalizer in a caller is how
 * two spellings of one conversation come about.
 */
export function parseCanonicalKey(text: string): CanonicalKey | KeyRefusal {
  const read = normalizeRawKey({ raw: text });
  if (!read.ok) {
    if (read.refusal.reason !== "AGENT_REQUIRED") return read.refusal;
    return refuse("MALFORMED_KEY", "the key is not canonical: it does not begin with agent:");
  }
  if (read.key === text) return read.key;
  const offset = firstDifference(text, read.key);
  return refuse("MALFORMED_KEY", "the key is not canonical as it stands", offset);
}
