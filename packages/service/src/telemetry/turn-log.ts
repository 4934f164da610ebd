import { type Log, setTrace } from "./log.ts";

/**
 * The fields by which a turn is found in the logs of all services. One that does not apply is absent:
 * the account of a channel that has none, the run of a turn that waits, the session of a stateless one,
 * the disposition of a refusal. `trace_id` is told by `traceparent`.
 */
export interface TurnFields {
  /** Undefined only while no credential is known. */
  readonly tenant: string | undefined;
  readonly principal?: string | undefined;
  readonly channel?: string | undefined;
  readonly account?: string | undefined;
  readonly raw_key?: string | undefined;
  readonly peer?: string | object | undefined;
  readonly session_key?: string | undefined;
  readonly session_id?: string | undefined;
  readonly generation?: bigint | number | undefined;
  readonly turn_id?: string | undefined;
  readonly run_id?: string | undefined;
  readonly request_id?: string | undefined;
  /** W3C traceparent of what the lines tell of; the log's own trace, or the active span's, without it. */
  readonly traceparent?: string | undefined;
  readonly disposition?: string | undefined;
}

/** `T` with every name that `TurnFields` lacks forbidden, also where `T` is not written as a literal. */
type OnlyTurnFields<T> = T & { readonly [K in Exclude<keyof T, keyof TurnFields>]: never };

/** A child logger whose lines carry these fields. A misspelt field does not compile. */
export function turnLog<T extends TurnFields>(log: Log, fields: OnlyTurnFields<T>): Log {
  const { traceparent, ...rest } = fields;
  return setTrace(log.child(applying(rest)), traceparent);
}

/** A protobuf field that is not set is empty, and a generation that is none is 0. */
function applying(fields: object): Record<string, unknown> {
  const told: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined && value !== "" && value !== 0 && value !== 0n) told[name] = value;
  }
  return told;
}
