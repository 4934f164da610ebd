import { ErrorReasonSchema } from "@lanekeeper/protocol/lanekeeper/errors/v1/error_reason";
import { expect, test } from "vitest";
import { Code } from "./code.ts";
import { REASONS, type ReasonRow } from "./reasons.ts";

test("every reason of the proto stands in the table, and every row in the proto", () => {
  const ofProto = ErrorReasonSchema.values
    .map((value) => value.name.replace(/^ERROR_REASON_/, ""))
    .filter((name) => name !== "UNSPECIFIED");
  expect(Object.keys(REASONS).sort()).toEqual(ofProto.sort());
});

test("a reason that says Retry-After is one that may be retried", () => {
  for (const [reason, row] of Object.entries<ReasonRow>(REASONS)) {
    if (row.retryInfo) expect(row.shouldRetry, reason).toBe("yes");
  }
});

test("between services only UNAVAILABLE is sent again, and both its reasons say yes", () => {
  const unavailable = Object.entries<ReasonRow>(REASONS)
    .filter(([, row]) => row.code === Code.UNAVAILABLE)
    .map(([reason, row]) => [reason, row.http, row.shouldRetry]);
  expect(unavailable).toEqual([
    ["DRAINING", 503, "yes"],
    ["STORE_UNAVAILABLE", 503, "yes"],
  ]);
});

test.each([
  ["INVALID_REQUEST", "INVALID_ARGUMENT", 400],
  ["UNKNOWN_MODEL", "NOT_FOUND", 404],
  ["UNAUTHENTICATED", "UNAUTHENTICATED", 401],
  ["RESERVED_NAMESPACE", "PERMISSION_DENIED", 403],
  ["PAYLOAD_TOO_LARGE", "INVALID_ARGUMENT", 413],
  ["UNSUPPORTED_MEDIA_TYPE", "INVALID_ARGUMENT", 415],
  ["STALE_GENERATION", "FAILED_PRECONDITION", 409],
  ["GENERATION_MISMATCH", "ABORTED", 409],
  ["SESSION_BUSY", "ABORTED", 409],
  ["IDEMPOTENCY_MISMATCH", "ALREADY_EXISTS", 422],
  ["QUEUE_FULL", "RESOURCE_EXHAUSTED", 429],
  ["MODEL_FAILED", "INTERNAL", 502],
  ["MODEL_TIMEOUT", "DEADLINE_EXCEEDED", 504],
  ["WAIT_EXPIRED", "DEADLINE_EXCEEDED", 503],
  ["QUEUE_TIMEOUT", "DEADLINE_EXCEEDED", 504],
  ["RESUME_TOKEN_EXPIRED", "OUT_OF_RANGE", 410],
] as const)("%s is %s and HTTP %i", (reason, code, http) => {
  expect(REASONS[reason]).toMatchObject({ code: Code[code], http });
});
