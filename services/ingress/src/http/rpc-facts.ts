import type { ServerResponse } from "node:http";
import type { Caller } from "@lanekeeper/rpc";

/** What is found out about an RPC while it is answered. */
export interface RpcFacts {
  /** Undefined: it showed no known credential. */
  readonly caller?: Caller;
  /** W3C traceparent of the call. Undefined: it was not let in. */
  readonly traceparent?: string | undefined;
  /** Who was silent, or said that its database is away, where the call failed of that. */
  readonly silentService?: string | undefined;
}

const facts = new WeakMap<ServerResponse, RpcFacts>();

/** Notes it of the RPC that is being answered, for its log line. */
export function noteRpc(answer: ServerResponse, more: RpcFacts): void {
  facts.set(answer, { ...facts.get(answer), ...more });
}

export function rpcFactsOf(answer: ServerResponse): RpcFacts {
  return facts.get(answer) ?? {};
}
