import { CallError } from "@lanekeeper/client";
import { EmbeddedPostgresError } from "@lanekeeper/embedded-postgres";
import { isUnavailable, SchemaVersionError, UnfitDatabaseError } from "@lanekeeper/postgres";
import { LanekeeperError, RpcError } from "@lanekeeper/rpc";
import { EnvError } from "@lanekeeper/service";
import { CliError } from "./cli-error.ts";
import { oneLine } from "./output.ts";

/** What a person is told: a sentence where we have one, else the whole error with its stack. */
export function describeError(error: unknown): string {
  if (error instanceof CliError || error instanceof EnvError) return error.message;
  if (error instanceof EmbeddedPostgresError) return error.message;
  if (error instanceof SchemaVersionError || error instanceof UnfitDatabaseError)
    return `${error.message}.`;
  const full = causesOf(error).find(isOutOfRoom);
  if (full !== undefined) return makeRoom(full);
  if (isUnavailable(error)) return mendDatabase("cannot be reached", error);
  if (isLoginRefused(error)) return mendDatabase("refuses the connection", error);
  if (error instanceof CallError) return describeError(error.cause);
  // Of a service; it may quote what somebody sent.
  if (error instanceof LanekeeperError) return oneLine(`${error.reason}: ${error.message}`);
  if (error instanceof RpcError) return oneLine(`${error.codeName}: ${error.message}`);
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Messages of the server name role and database, and never the password. */
function mendDatabase(what: string, error: unknown): string {
  const why = error instanceof Error ? error.message : String(error);
  return `the database ${what} (${why}): look at DATABASE_URL and the LANEKEEPER_…_DATABASE_URL variables, or leave them unset for the embedded server.`;
}

/** The error, and what it says it comes of: of a migration, what the server said. */
function causesOf(error: unknown): unknown[] {
  return error instanceof Error ? [error, ...causesOf(error.cause)] : [];
}

/** A full disk, or a quota that is used up, here or where the database is. */
function isOutOfRoom(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOSPC" || code === "EDQUOT" || code === "53100";
}

function makeRoom(error: unknown): string {
  const why = oneLine(error instanceof Error ? error.message : String(error));
  return `there is no room left (${why}): make some on the disk of the data dir, or of the database, and start again; nothing that was accepted is lost.`;
}

/** SQLSTATE class 28, invalid authorization, and 3D000, a database that does not exist. */
function isLoginRefused(error: unknown): boolean {
  return /^(28[0-9A-Z]{3}|3D000)$/.test(codeOf(error));
}

/** Of the system or, SQLSTATE, of the server. */
function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  return typeof code === "string" ? code : "";
}
