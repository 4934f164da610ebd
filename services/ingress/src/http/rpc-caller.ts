import type { ServerResponse } from "node:http";
import type { Caller } from "@lanekeeper/rpc";

const callers = new WeakMap<ServerResponse, Caller>();

/** Whose the RPC is that is being answered, for its log line. */
export function noteRpcCaller(answer: ServerResponse, caller: Caller): void {
  callers.set(answer, caller);
}

/** Undefined: it showed no known credential. */
export function rpcCallerOf(answer: ServerResponse): Caller | undefined {
  return callers.get(answer);
}
