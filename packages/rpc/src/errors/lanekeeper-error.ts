import { type ReasonRow, type Reason, reasonRow } from "./reasons.ts";
import { RpcError, type RpcErrorOptions } from "./rpc-error.ts";

/** What is wrong with one field of a request. */
export interface FieldViolation {
  /** The path, such as `session.session_key` or `input[2].role`. */
  readonly field: string;
  readonly description: string;
}

export interface LanekeeperErrorOptions extends RpcErrorOptions {
  /** Dynamic values of the message, also for machines. Never secrets: they reach the caller. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly fieldViolations?: readonly FieldViolation[];
  /** How long to wait before asking again, for the reasons whose row says `retryInfo`. */
  readonly retryAfterMs?: number;
}

/**
 * A refusal with a reason of the table. Code, HTTP status and retry advice follow from the reason
 * alone. Throw it in a handler; a client throws the equal one.
 */
export class LanekeeperError extends RpcError {
  override readonly name = "LanekeeperError";
  readonly reason: Reason;
  readonly metadata: Readonly<Record<string, string>>;
  readonly fieldViolations: readonly FieldViolation[];
  readonly retryAfterMs: number | undefined;

  constructor(reason: Reason, message: string, options: LanekeeperErrorOptions = {}) {
    super(reasonRow(reason).code, message, options);
    this.reason = reason;
    this.metadata = options.metadata ?? {};
    this.fieldViolations = options.fieldViolations ?? [];
    // A Duration is made of whole milliseconds; sooner than asked would be too soon.
    this.retryAfterMs =
      options.retryAfterMs === undefined ? undefined : Math.ceil(options.retryAfterMs);
  }

  /** The row of the table: gRPC code, HTTP status, retry advice. */
  get row(): ReasonRow {
    return reasonRow(this.reason);
  }
}

/**
 * True if the error is a refusal with one of these reasons (with any, when none is named). False
 * says nothing about its type: it may be a refusal with another reason.
 */
export function hasReason<R extends Reason = Reason>(
  error: unknown,
  ...reasons: readonly R[]
): error is LanekeeperError & { readonly reason: R } {
  if (!(error instanceof LanekeeperError)) return false;
  return reasons.length === 0 || (reasons as readonly Reason[]).includes(error.reason);
}
