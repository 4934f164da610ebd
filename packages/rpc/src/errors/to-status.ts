import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { type Status, StatusSchema } from "@lanekeeper/protocol/google/rpc/status";
import { Code } from "./code.ts";
import { errorInfo, packDetails } from "./error-details.ts";
import { LanekeeperError } from "./lanekeeper-error.ts";
import { RpcError } from "./rpc-error.ts";
import { serviceMetadata, silentService } from "./silent-service.ts";
import { boundedText } from "./text.ts";

/** Told of every error that no reason stands for; the log must carry the id beside the error. */
export type OnInternalError = (errorId: string, error: unknown) => void;

/**
 * The status that a caller gets for whatever a handler threw. A LanekeeperError keeps its reason
 * and details, also when it came from another service. A transport failure of a call further down
 * keeps its meaning. Anything else is INTERNAL with an error id: the text of such an error stays
 * inside, since it may hold SQL, addresses or keys of others.
 */
export function toStatus(error: unknown, onInternal?: OnInternalError): Status {
  if (error instanceof LanekeeperError && !isOurOwnFault(error)) {
    return status(error.code, error.message, packDetails(error));
  }
  const passed = error instanceof RpcError ? passOn(error) : undefined;
  if (passed !== undefined) return passed;
  const errorId = randomUUID();
  onInternal?.(errorId, error);
  return internalStatus(errorId);
}

/**
 * An INTERNAL without an id has not been logged yet. Another service's refusal of our own credential
 * says nothing about the caller of this call, who must not be told to log in.
 */
function isOurOwnFault(error: LanekeeperError): boolean {
  if (error.reason === "INTERNAL") return error.metadata["error_id"] === undefined;
  return error.remote && error.metadata[SERVICE_IDENTITY] !== undefined;
}

/** Marks, in ErrorInfo.metadata, a refusal of a service's own credential; the value names it. */
export const SERVICE_IDENTITY = "service_identity";

/**
 * A failure of the transport below a handler: what the caller can conclude is the same. The text is
 * ours, since the transport's own names addresses of the inside: it names the service.
 */
function passOn(error: RpcError): Status | undefined {
  const service = silentService(error);
  switch (error.code) {
    case Code.CANCELLED:
      return status(error.code, "the call was cancelled", error.details);
    case Code.DEADLINE_EXCEEDED:
      return status(error.code, late(service), error.details);
    case Code.UNIMPLEMENTED:
      return status(error.code, error.message, error.details);
    case Code.UNAVAILABLE:
      return status(
        error.code,
        `${service ?? "a service that this call needs"} cannot be reached`,
        [errorInfo("STORE_UNAVAILABLE", serviceMetadata(service))],
      );
    default:
      return undefined;
  }
}

function late(service: string | undefined): string {
  if (service === undefined) return "the deadline passed before the answer was there";
  return `${service} did not answer in time`;
}

function status(code: Code, message: string, details: readonly Any[]): Status {
  return create(StatusSchema, { code, message: boundedText(message), details: [...details] });
}

function internalStatus(errorId: string): Status {
  return create(StatusSchema, {
    code: Code.INTERNAL,
    message: `internal error; the log tells more under error_id ${errorId}`,
    details: [errorInfo("INTERNAL", { error_id: errorId })],
  });
}
