import type pg from "pg";

/** Means nothing to the server: a session that has it has what else was asked for with it. */
const MARK = "lanekeeper.settings";

/** Settings of a session, with a mark among them. */
export function marked(settings: Readonly<Record<string, string>>): Record<string, string> {
  return { ...settings, [MARK]: "kept" };
}

/**
 * Poolers know few of a session's settings. Told to ignore the others, they take the connection and drop them, and
 * statements would meet other schemas' tables, wait for ever and be planned anew each time.
 */
export async function refuseLostSettings(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ kept: boolean }>(
    `SELECT current_setting('${MARK}', true) IS NOT DISTINCT FROM 'kept' AS kept`,
  );
  if (rows[0]?.kept === true) return;
  throw new Error(
    "what stands before the database, such as a pooler, kept the session's settings from it; name Postgres itself",
  );
}

/** What poolers say of settings that they were not told to ignore, with what to do. */
export function aboutSettings(cause: unknown): unknown {
  if (!(cause instanceof Error) || !cause.message.startsWith("unsupported startup parameter"))
    return cause;
  return new Error(`${cause.message}, says a pooler before the database; name Postgres itself`, {
    cause,
  });
}
