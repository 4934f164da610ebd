import { invalid } from "@lanekeeper/rpc";
import { OnConflict } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { SingleHeaders } from "../http/single-headers.ts";

/** What the headers of a request say about its turn. */
export interface RequestOptions {
  readonly onConflict: OnConflict;
  /** Empty: none was sent. */
  readonly idempotencyKey: string;
  /** Empty: any. */
  readonly expectedSessionId: string;
  /** 0: any. */
  readonly expectedGeneration: bigint;
  readonly clientRetryCount: number;
  /** The caller wants to be told while its turn waits. */
  readonly wantsBusyHint: boolean;
}

const ON_CONFLICT = new Map([
  ["enqueue", OnConflict.ENQUEUE],
  ["reject", OnConflict.REJECT],
  ["interrupt", OnConflict.INTERRUPT],
  ["rollback", OnConflict.ROLLBACK],
  ["coalesce", OnConflict.COALESCE],
  ["steer", OnConflict.STEER],
]);

const MAX_GENERATION = 2n ** 63n - 1n;

/** @throws INVALID_REQUEST naming the header. */
export function readRequestOptions(headers: SingleHeaders): RequestOptions {
  return {
    onConflict: onConflict(headers.get("x-on-conflict")),
    idempotencyKey: idempotencyKey(headers.get("idempotency-key")),
    expectedSessionId: sessionId(headers.get("x-expect-session-id")),
    expectedGeneration: generation(headers.get("x-expect-generation")),
    clientRetryCount: retryCount(headers.get("x-stainless-retry-count")),
    wantsBusyHint: flag("x-busy-hint", headers.get("x-busy-hint")),
  };
}

/** Whether a request is one without a key that its client does not say to be a retry. */
export function isFirstTry(
  options: Pick<RequestOptions, "clientRetryCount" | "idempotencyKey">,
): boolean {
  return options.idempotencyKey === "" && options.clientRetryCount === 0;
}

/** Most likely the header with the key was misspelt, and the turn would run outside its session. */
export function refuseExpectation({ expectedSessionId, expectedGeneration }: RequestOptions): void {
  const without = "is given without a session key; send one in x-session-key";
  if (expectedSessionId !== "") throw invalid("x-expect-session-id", without);
  if (expectedGeneration !== 0n) throw invalid("x-expect-generation", without);
}

function onConflict(value: string | undefined): OnConflict {
  if (value === undefined) return OnConflict.UNSPECIFIED;
  const found = ON_CONFLICT.get(value);
  if (found !== undefined) return found;
  throw invalid("x-on-conflict", `expected one of ${[...ON_CONFLICT.keys()].join(", ")}`);
}

function idempotencyKey(value: string | undefined): string {
  if (value === undefined) return "";
  if (/^[!-~]{1,255}$/.test(value)) return value;
  throw invalid("idempotency-key", "expected 1 to 255 visible ASCII characters");
}

function sessionId(value: string | undefined): string {
  if (value === undefined) return "";
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value)) return value;
  throw invalid("x-expect-session-id", "expected a session id, a UUID in lower case");
}

function generation(value: string | undefined): bigint {
  if (value === undefined) return 0n;
  const number = /^[1-9]\d{0,18}$/.test(value) ? BigInt(value) : 0n;
  if (number >= 1n && number <= MAX_GENERATION) return number;
  throw invalid("x-expect-generation", "expected a whole number from 1");
}

function flag(name: string, value: string | undefined): boolean {
  if (value === undefined || value === "false") return false;
  if (value === "true") return true;
  throw invalid(name, "expected true or false");
}

/** A hint of the SDK about itself; what is no number says nothing. */
function retryCount(value: string | undefined): number {
  return value !== undefined && /^\d{1,4}$/.test(value) ? Number(value) : 0;
}
