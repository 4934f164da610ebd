declare const sqlName: unique symbol;

/** A role or schema name that needs no quoting and is not cut short: at most 63 bytes. */
export type SqlName = string & { readonly [sqlName]: true };

/** Throws where Postgres would fold, quote or truncate the name. */
export function parseSqlName(text: string): SqlName {
  if (!isSqlName(text)) {
    throw new Error(
      `${JSON.stringify(text)} is no name for a role or schema: [a-z_][a-z0-9_]{0,62}`,
    );
  }
  return text;
}

function isSqlName(text: string): text is SqlName {
  // Postgres keeps names that begin with pg_ for itself.
  return /^[a-z_][a-z0-9_]{0,62}$/.test(text) && !text.startsWith("pg_");
}

/** Quoted all the same: a name may be a key word, such as "user". */
export function quoted(name: SqlName): string {
  return `"${name}"`;
}
