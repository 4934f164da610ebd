/**
 * Text as a column of the database can hold it: Postgres has no NUL character in any text
 * (https://www.postgresql.org/docs/current/datatype-character.html). What servers and models say may hold
 * some, such as a file that was read as text.
 */
export function storableText(text: string): string {
  return text.replaceAll("\0", "\uFFFD");
}
