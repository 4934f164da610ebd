import type { ServerResponse } from "node:http";
import type { DescMethod } from "@bufbuild/protobuf";
import { context } from "@opentelemetry/api";
import { type Peer, peerName } from "../auth/peer.ts";
import type { RpcError } from "../errors/rpc-error.ts";
import type { Caller } from "../metadata/caller.ts";
import type { CallSpan } from "../telemetry/call-span.ts";
import { reportCall, type CallReport, type RpcHooks } from "../telemetry/hooks.ts";
import type { CallContext } from "./call-context.ts";

/** What a transport found out about a call before its handler runs. */
export interface ServerCallInit {
  readonly method: DescMethod;
  readonly peer: Peer;
  readonly caller: Caller;
  readonly requestId: string;
  /** Epoch milliseconds; Infinity: none. */
  readonly deadlineMs: number;
  readonly span: CallSpan;
  readonly transport: CallReport["transport"];
  readonly hooks: RpcHooks;
  readonly httpAnswer?: ServerResponse | undefined;
}

/** A call that is being served. The transport aborts and finishes it; the handler sees CallContext. */
export class ServerCall implements CallContext {
  readonly #init: ServerCallInit;
  readonly #startedMs = performance.now();
  #controller: AbortController | undefined;
  #reason: RpcError | undefined;
  #whenAborted: ((reason: RpcError) => void) | undefined;
  #finishForDrain: (() => void) | undefined;
  #finished = false;

  constructor(init: ServerCallInit) {
    this.#init = init;
  }

  get tenant(): string {
    return this.#init.caller.tenant;
  }
  get principal(): string {
    return this.#init.caller.principal;
  }
  get scopes(): readonly string[] {
    return this.#init.caller.scopes;
  }
  get agents(): readonly string[] {
    return this.#init.caller.agents;
  }
  get keyPrefixes(): readonly string[] {
    return this.#init.caller.keyPrefixes;
  }
  get peer(): Peer {
    return this.#init.peer;
  }
  get hooks(): RpcHooks {
    return this.#init.hooks;
  }
  get requestId(): string {
    return this.#init.requestId;
  }
  get method(): DescMethod {
    return this.#init.method;
  }
  get traceparent(): string | undefined {
    return this.#init.span.headers.traceparent;
  }
  get tracestate(): string | undefined {
    return this.#init.span.headers.tracestate;
  }
  get httpAnswer(): ServerResponse | undefined {
    return this.#init.httpAnswer;
  }
  get deadline(): Date | undefined {
    const { deadlineMs } = this.#init;
    return deadlineMs === Number.POSITIVE_INFINITY ? undefined : new Date(deadlineMs);
  }

  /** Made when first asked for: most calls are over before anybody looks at it. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  get abortState(): Pick<AbortSignal, "aborted" | "reason"> {
    return this;
  }
  get aborted(): boolean {
    return this.#reason !== undefined;
  }
  get reason(): RpcError | undefined {
    return this.#reason;
  }

  /** Why the call was aborted; undefined while it was not. */
  get abortReason(): RpcError | undefined {
    return this.#reason;
  }

  /** Tells the handler to stop. Without effect when it has finished or was told before. */
  abort(reason: RpcError): void {
    if (this.#finished || this.#reason !== undefined) return;
    this.#reason = reason;
    this.#whenAborted?.(reason);
    this.#controller?.abort(reason);
  }

  /** For the transport: how to answer at once when the call is aborted. */
  whenAborted(answer: (reason: RpcError) => void): void {
    this.#whenAborted = answer;
    if (this.#reason !== undefined) answer(this.#reason);
  }

  onDrain(finish: () => void): void {
    this.#finishForDrain = finish;
  }

  /** The server drains: the handler finishes by itself if it asked for that, or is aborted. */
  drain(reason: RpcError): void {
    if (this.#finishForDrain === undefined) this.abort(reason);
    else this.#finishForDrain();
  }

  /** A call that came within this one, from the same peer. */
  child(init: Omit<ServerCallInit, "peer" | "hooks">): ServerCall {
    const { peer, hooks } = this.#init;
    return new ServerCall({
      method: init.method,
      peer,
      caller: init.caller,
      requestId: init.requestId,
      deadlineMs: init.deadlineMs,
      span: init.span,
      transport: init.transport,
      hooks,
      httpAnswer: init.httpAnswer,
    });
  }

  /** Runs a piece of the handler under the call's span, where one is kept active. */
  run<T>(work: () => T): T {
    return context.with(this.#init.span.context, work);
  }

  /** Ends span and measurement, once. */
  finish(error: RpcError | undefined): void {
    if (this.#finished) return;
    this.#finished = true;
    const { span, hooks, method, transport, peer } = this.#init;
    span.end(error);
    const durationMs = performance.now() - this.#startedMs;
    reportCall(
      hooks,
      method,
      { side: "server", transport, durationMs, peer: peerName(peer) },
      error,
    );
  }
}
