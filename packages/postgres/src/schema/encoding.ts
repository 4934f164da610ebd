import type pg from "pg";

/** The database cannot hold what Lanekeeper keeps; the message says what to do. */
export class UnfitDatabaseError extends Error {
  override readonly name = "UnfitDatabaseError";
}

/**
 * Refuses a database that does not keep texts in UTF-8, before anything is made in it: names and what people and
 * tools say come in all languages, and another encoding lacks letters, which is told only once somebody
 * writes one (SQLSTATE 22P05), or counts bytes for letters. Throws `UnfitDatabaseError`.
 */
export async function refuseOtherEncoding(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ database: string; encoding: string }>(
    "SELECT current_database() AS database, current_setting('server_encoding') AS encoding",
  );
  const { database, encoding } = rows[0] ?? { database: "", encoding: "UTF8" };
  if (encoding === "UTF8") return;
  throw new UnfitDatabaseError(
    `the database ${database} keeps texts in ${encoding}, and Lanekeeper needs UTF8: make another one ` +
      `(createdb --encoding=UTF8 --template=template0 lanekeeper) and name that in the URL`,
  );
}
