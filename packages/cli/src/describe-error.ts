import { EmbeddedPostgresError } from "@lanekeeper/embedded-postgres";
import { isUnavailable, SchemaVersionError } from "@lanekeeper/postgres";
import { LanekeeperError, RpcError } from "@lanekeeper/rpc";
import { EnvError } from "@lanekeeper/service";
import { CliError } from "./cli-error.ts";

/** What a person is told: a sentence where we have one, else the whole error with its stack. */
export function describeError(error: unknown): string {
  if (error instanceof CliError || error instanceof EnvError) return error.message;
  if (error instanceof EmbeddedPostgresError) return error.message;
  if (error instanceof SchemaVersionError) return `${error.message}.`;
  if (isUnavailable(error)) return unreachable(error);
  if (error instanceof LanekeeperError) return `${error.reason}: ${error.message}`;
  if (error instanceof RpcError) return `${error.codeName}: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function unreachable(error: unknown): string {
  const why = error instanceof Error ? error.message : String(error);
  return `the database cannot be reached (${why}): look at DATABASE_URL and the LANEKEEPER_…_DATABASE_URL variables, or leave them unset for the embedded server.`;
}
