/** What callers see of an endpoint's own words. */
const MAX_CHARACTERS = 300;

/** Keys as endpoints echo them, whole or in part, in "Incorrect API key provided: sk-…". */
const KEY_LIKE = /\b(?:sk|pk|rk|key)-[\w*-]{6,}|\bbearer\s+\S+/gi;

/**
 * The text of an endpoint's error, fit to be told to a caller, who must not learn the key that the
 * endpoint was called with; some endpoints repeat it in their refusals.
 */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  const known = secrets
    .filter((secret) => secret !== "")
    .reduce((left, secret) => left.replaceAll(secret, "[secret]"), text);
  // On one line, and without what a terminal or a column of the database would stumble over.
  const clean = known.replace(KEY_LIKE, "[secret]").replace(/[\p{Cc}\s]+/gu, " ");
  return clean.length > MAX_CHARACTERS ? `${clean.slice(0, MAX_CHARACTERS)}…` : clean;
}
