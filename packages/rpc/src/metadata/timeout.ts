/**
 * The longest time to a deadline that is asked for or taken over. Timers take 2^31 - 1 ms, 24.8 days, and fire
 * at once above it, and so do Connect's and grpc-js's deadlines, which are such timers. In whole days, since a
 * timeout is rounded up to seconds or minutes on its way.
 */
export const LONGEST_TIMEOUT_MS = 24 * 86_400_000;

/** https://connectrpc.com/docs/protocol/#unary-request */
const CONNECT_TIMEOUT = "connect-timeout-ms";
/** https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, "Timeout"; gRPC-Web has it too. */
const GRPC_TIMEOUT = "grpc-timeout";

/** Of the units that eight digits do not take beyond the longest timeout, there is no need to tell. */
const LONG_UNITS_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000 };

/** Cuts a caller's timeout to the longest; what is none is left to whoever refuses it. */
export function boundTimeouts(headers: Headers): void {
  const connectMs = headers.get(CONNECT_TIMEOUT) ?? "";
  if (/^\d{1,10}$/.test(connectMs) && Number(connectMs) > LONGEST_TIMEOUT_MS) {
    headers.set(CONNECT_TIMEOUT, String(LONGEST_TIMEOUT_MS));
  }
  const [, amount, unit] = /^(\d{1,8})([HMS])$/.exec(headers.get(GRPC_TIMEOUT) ?? "") ?? [];
  if (Number(amount) * (LONG_UNITS_MS[unit ?? ""] ?? 0) > LONGEST_TIMEOUT_MS) {
    headers.set(GRPC_TIMEOUT, `${LONGEST_TIMEOUT_MS / 1_000}S`);
  }
}
