import type { CallContext } from "../call/call-context.ts";
import type { Caller } from "../metadata/caller.ts";
import type { TracedWork } from "../telemetry/trace-context.ts";
import type { RetryPolicy } from "./retry.ts";

type Settable<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** For whom, how long and within what a call is made. */
export interface CallOptions extends Settable<Caller> {
  /**
   * The call that is being served, whose work this one is part of: its tenant, principal, scopes,
   * request id and trace are passed on, its deadline is never outlived, and its end cancels. Leave
   * it out for work that must go on when the caller has hung up.
   */
  readonly parent?: CallContext | undefined;
  /** The label of x-request-id. */
  readonly requestId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** From now. Unary calls have the client's default; streams none. */
  readonly timeoutMs?: number | undefined;
  /** Continues this trace, such as one stored with a turn, instead of the active one. */
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
  /**
   * What this call is a part of, as a turn or a request that knows its trace. An active span is a part of
   * the same and comes first; `parent` says it too.
   */
  readonly within?: TracedWork | undefined;
  /** `false`: one attempt. For calls that nothing makes idempotent. */
  readonly retry?: Partial<RetryPolicy> | false | undefined;
}
