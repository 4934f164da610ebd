import { EmbeddedPostgresError } from "@lanekeeper/embedded-postgres";
import { LanekeeperError, RpcError } from "@lanekeeper/rpc";
import { EnvError } from "@lanekeeper/service";
import { CliError } from "./cli-error.ts";

/** What a person is told: a sentence where we have one, else the whole error with its stack. */
export function describeError(error: unknown): string {
  if (error instanceof CliError || error instanceof EnvError) return error.message;
  if (error instanceof EmbeddedPostgresError) return error.message;
  if (error instanceof LanekeeperError) return `${error.reason}: ${error.message}`;
  if (error instanceof RpcError) return `${error.codeName}: ${error.message}`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
