import { logVerbosity, setLogVerbosity } from "@grpc/grpc-js";

/**
 * grpc-js writes errors to stderr that callers of this package get as errors and report in their
 * own words, such as a busy port. GRPC_VERBOSITY, where set, still decides.
 */
export function quietGrpc(): void {
  if (process.env["GRPC_VERBOSITY"] === undefined) setLogVerbosity(logVerbosity.NONE);
}
