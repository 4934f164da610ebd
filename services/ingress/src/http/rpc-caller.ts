import type { ServerResponse } from "node:http";
import type { Caller } from "@lanekeeper/rpc";
import { currentAnswer } from "./lane-disposition.ts";

const callers = new WeakMap<ServerResponse, Caller>();

/** Whose the RPC is that is being answered, for its log line. */
export function noteRpcCaller(caller: Caller): void {
  const answer = currentAnswer();
  if (answer !== undefined) callers.set(answer, caller);
}

/** Undefined: it showed no known credential. */
export function rpcCallerOf(answer: ServerResponse): Caller | undefined {
  return callers.get(answer);
}
