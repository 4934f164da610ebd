import type { ServiceName } from "../auth/service-name.ts";
import { hasReason, LanekeeperError, type LanekeeperErrorOptions } from "./lanekeeper-error.ts";
import { serviceMetadata, silentService } from "./silent-service.ts";

/** INVALID_REQUEST for one field. */
export function invalid(field: string, description: string): LanekeeperError {
  return new LanekeeperError("INVALID_REQUEST", `${field}: ${description}`, {
    metadata: { field },
    fieldViolations: [{ field, description }],
  });
}

/** NOT_FOUND: `what` is the kind of thing, such as "session"; `name` is what was asked for. */
export function notFound(what: string, name: string): LanekeeperError {
  const metadata = { resource_type: what, resource_name: name };
  return new LanekeeperError("NOT_FOUND", `no ${what} named ${name}`, { metadata });
}

/** Whether a thing of this kind is not there. */
export function isNotFound(error: unknown, what: string): boolean {
  return hasReason(error, "NOT_FOUND") && error.metadata["resource_type"] === what;
}

/** UNAUTHENTICATED: no credential, or none that is known. */
export function unauthenticated(message: string): LanekeeperError {
  return new LanekeeperError("UNAUTHENTICATED", message);
}

/** PERMISSION_DENIED: the credential is known and may not do this. */
export function permissionDenied(
  message: string,
  metadata: Readonly<Record<string, string>> = {},
): LanekeeperError {
  return new LanekeeperError("PERMISSION_DENIED", message, { metadata });
}

/** PAYLOAD_TOO_LARGE: names the bound and what came. */
export function payloadTooLarge(what: string, limitBytes: number, bytes?: number): LanekeeperError {
  const came = bytes === undefined ? "more" : `${bytes} bytes`;
  return new LanekeeperError(
    "PAYLOAD_TOO_LARGE",
    `${what} may have ${limitBytes} bytes, got ${came}`,
    { metadata: { limit_bytes: String(limitBytes) } },
  );
}

/** DRAINING: this replica is shutting down; another answers. */
export function draining(): LanekeeperError {
  return new LanekeeperError("DRAINING", "this replica is shutting down; ask again");
}

/**
 * STORE_UNAVAILABLE: what the call needs cannot be reached; nothing was changed. The metadata name the
 * service that the cause names, else `asked`, the one that was asked; neither: it is our own database.
 */
export function storeUnavailable(
  message: string,
  cause?: unknown,
  asked?: ServiceName,
): LanekeeperError {
  const metadata = serviceMetadata(silentService(cause) ?? asked);
  return new LanekeeperError("STORE_UNAVAILABLE", message, { cause, metadata });
}

/** SLOW_CONSUMER: the subscriber was dropped; it resumes by its last token. */
export function slowConsumer(message: string): LanekeeperError {
  return new LanekeeperError("SLOW_CONSUMER", message);
}

/** A refusal whose answer is "later", with the wait that is suggested. */
export function later(
  reason: "SESSION_BUSY" | "QUEUE_FULL" | "RATE_LIMITED" | "QUOTA",
  message: string,
  retryAfterMs: number,
  options: LanekeeperErrorOptions = {},
): LanekeeperError {
  return new LanekeeperError(reason, message, { ...options, retryAfterMs });
}
