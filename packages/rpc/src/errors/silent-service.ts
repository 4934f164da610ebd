import { ErrorInfoSchema, ResourceInfoSchema } from "@lanekeeper/protocol/google/rpc/error_details";
import type { ServiceName } from "../auth/service-name.ts";
import { Code } from "./code.ts";
import { LanekeeperError } from "./lanekeeper-error.ts";
import { errorDetail, RpcError } from "./rpc-error.ts";

/** In ErrorInfo.metadata of what is told of one; the type of the resource where no reason is told. */
const SERVICE = "service";

/** What failed without a reason, and was the doing of whoever was asked. */
const SILENT: ReadonlySet<Code> = new Set([
  Code.UNAVAILABLE,
  Code.DEADLINE_EXCEEDED,
  Code.UNIMPLEMENTED,
]);

/** ErrorInfo.metadata that names the service; nothing where nobody knows it. */
export function serviceMetadata(service: string | undefined): Readonly<Record<string, string>> {
  return service === undefined ? {} : { [SERVICE]: service };
}

/**
 * The service to look at: it did not answer, or answered that it drains or that its database is away. The one
 * furthest down, where the one that was asked needed another. Undefined: it is our own failure, or none
 * of these.
 */
export function silentService(error: unknown): string | undefined {
  if (!(error instanceof RpcError)) return undefined;
  if (error instanceof LanekeeperError) return error.metadata[SERVICE];
  const resource = error.detail(ResourceInfoSchema);
  return resource?.resourceType === SERVICE ? resource.resourceName : undefined;
}

/** The error of a call to this service, naming it where that is to be looked at and named no other. */
export function naming(error: RpcError, service: ServiceName): RpcError {
  if (silentService(error) !== undefined) return error;
  if (error instanceof LanekeeperError) return namingRefusal(error, service);
  if (!SILENT.has(error.code) || error.detail(ErrorInfoSchema) !== undefined) return error;
  const asked = errorDetail(ResourceInfoSchema, { resourceType: SERVICE, resourceName: service });
  return new RpcError(error.code, `${service}: ${error.message}`, {
    cause: error.cause,
    remote: error.remote,
    details: [...error.details, asked],
  });
}

function namingRefusal(error: LanekeeperError, service: ServiceName): LanekeeperError {
  if (error.code !== Code.UNAVAILABLE) return error;
  const { reason, cause, remote, details, fieldViolations, retryAfterMs, metadata } = error;
  return new LanekeeperError(reason, `${service}: ${error.message}`, {
    cause,
    remote,
    details,
    fieldViolations,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    metadata: { ...metadata, ...serviceMetadata(service) },
  });
}
