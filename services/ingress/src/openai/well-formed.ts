import { invalid } from "@lanekeeper/rpc";

/** With the flag `u` a pair is one character, so this finds surrogates that stand alone. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Refuses text that is no Unicode: JSON can spell half of a surrogate pair (RFC 8259, section 8.2),
 * protobuf and Postgres cannot, and would keep U+FFFD in its place without a word.
 * @param body a JSON document of bounded depth
 * @throws INVALID_REQUEST naming the path
 */
export function requireWellFormed(body: object): void {
  const at = pathOfLoneSurrogate(body);
  if (at === undefined) return;
  const path = at.join("").replace(/^\./, "");
  throw invalid(path, "has a lone surrogate, half of a character; was a text cut in the middle?");
}

/** The steps from a value to the first text below it that is ill-formed. */
function pathOfLoneSurrogate(value: unknown): string[] | undefined {
  if (typeof value === "string") return LONE_SURROGATE.test(value) ? [] : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  for (const [name, child] of Object.entries(value)) {
    // A name that is ill-formed cannot stand in the answer: its parent is named instead.
    if (LONE_SURROGATE.test(name)) return [".(a name)"];
    const below = pathOfLoneSurrogate(child);
    if (below !== undefined) return [Array.isArray(value) ? `[${name}]` : `.${name}`, ...below];
  }
  return undefined;
}
