import { type Any, type Duration, durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "@lanekeeper/protocol/google/rpc/error_details";
import type { LanekeeperError } from "./lanekeeper-error.ts";
import { errorDetail } from "./rpc-error.ts";
import { boundedText } from "./text.ts";

/** `ErrorInfo.domain` of every reason of the table. */
export const ERROR_DOMAIN = "lanekeeper";

/** What RetryInfo says where the thrower knows nothing better. */
const DEFAULT_RETRY_AFTER_MS = 1_000;

/** Field violations on the wire, at most: the first few tell the caller enough. */
const MAX_FIELD_VIOLATIONS = 16;

/** The details of the status that stands for this error, ErrorInfo first. */
export function packDetails(error: LanekeeperError): Any[] {
  return [
    errorInfo(error.reason, error.metadata),
    ...retryInfo(error),
    ...badRequest(error),
    ...error.details.filter((any) => !isStandard(any)),
  ];
}

/** The ErrorInfo of a reason. */
export function errorInfo(reason: string, metadata: Readonly<Record<string, string>>): Any {
  const bounded = Object.entries(metadata).map(([key, value]) => [key, boundedText(value)]);
  return errorDetail(ErrorInfoSchema, {
    reason,
    domain: ERROR_DOMAIN,
    metadata: Object.fromEntries(bounded) as Record<string, string>,
  });
}

function retryInfo(error: LanekeeperError): Any[] {
  if (!error.row.retryInfo && error.retryAfterMs === undefined) return [];
  const retryDelay = durationFromMs(error.retryAfterMs ?? DEFAULT_RETRY_AFTER_MS);
  return [errorDetail(RetryInfoSchema, { retryDelay })];
}

function badRequest(error: LanekeeperError): Any[] {
  if (error.fieldViolations.length === 0) return [];
  const fieldViolations = error.fieldViolations
    .slice(0, MAX_FIELD_VIOLATIONS)
    .map(({ field, description }) => ({
      field: boundedText(field),
      description: boundedText(description),
    }));
  return [errorDetail(BadRequestSchema, { fieldViolations })];
}

/** True for details that packDetails writes itself, so that a forwarded error has each once. */
function isStandard(any: Any): boolean {
  const name = any.typeUrl.slice(any.typeUrl.lastIndexOf("/") + 1);
  return (
    name === ErrorInfoSchema.typeName ||
    name === RetryInfoSchema.typeName ||
    name === BadRequestSchema.typeName
  );
}

/** The milliseconds of a duration, rounded up so that nobody asks again too early. */
export function retryDelayMs(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : Math.ceil(durationMs(duration));
}
