import type { DescMessage, Message, MessageInitShape } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { PassingMap } from "@lanekeeper/collections";
import { authorize } from "../auth/allow.ts";
import { peerName } from "../auth/peer.ts";
import { failedAnswer } from "../call/answer.ts";
import { methodName } from "../call/call-context.ts";
import { PushStream } from "../call/push-stream.ts";
import type { ServerCall } from "../call/server-call.ts";
import { EncodedMessage } from "../codec.ts";
import { Code } from "../errors/code.ts";
import { draining, invalid } from "../errors/constructors.ts";
import { RpcError } from "../errors/rpc-error.ts";
import type { Caller } from "../metadata/caller.ts";
import { METADATA } from "../metadata/names.ts";
import { decodeList } from "../metadata/percent.ts";
import { requestIdOr } from "../metadata/request-id.ts";
import { armDeadline, cancelled, effectiveDeadline } from "../serve/deadline.ts";
import { startCallSpan } from "../telemetry/call-span.ts";
import { reportCall } from "../telemetry/hooks.ts";
import { contextOf } from "../telemetry/trace-context.ts";
import type { ExchangeLimits } from "./exchange-limits.ts";
import { CANCEL_CASE, type ExchangeShape, type RequestFrame } from "./exchange-shape.ts";
import { errorFrame, resultFrame } from "./frame-codec.ts";
import type { FrameMethod } from "./frame-method.ts";
import { endOfTick, grouped, MAX_GROUP_BYTES, readingMore } from "./grouped-frames.ts";

/** One Exchange stream on the server: reads frames, runs them side by side, sends answers as ready. */
export class ExchangeSession {
  readonly #methods: ReadonlyMap<string, FrameMethod>;
  readonly #stream: ServerCall;
  readonly #limits: ExchangeLimits;
  readonly #shape: ExchangeShape;
  readonly #calls = new PassingMap<bigint, ServerCall>();
  readonly #replies: PushStream<EncodedMessage>;
  /** Frames that were read and whose answers were not taken. */
  #open = 0;
  #room: (() => void) | undefined;
  #draining = false;
  #halfClosed = false;
  #clientReadsMore = false;
  #hasSaid = false;

  constructor(
    methods: ReadonlyMap<string, FrameMethod>,
    stream: ServerCall,
    limits: ExchangeLimits,
    shape: ExchangeShape,
  ) {
    this.#methods = methods;
    this.#stream = stream;
    this.#limits = limits;
    this.#shape = shape;
    // #open bounds the answers that wait, since no more frames are read beyond it.
    this.#replies = new PushStream({ limit: Number.POSITIVE_INFINITY, full: draining });
  }

  /** The answers; ends when the client has said all and got all, or when the server drains. */
  async *run(frames: AsyncIterable<RequestFrame>): AsyncGenerator<EncodedMessage> {
    this.#stream.onDrain(() => {
      this.#draining = true;
      this.#endIfDone();
    });
    void this.#read(frames);
    try {
      for await (const reply of this.#replies) {
        const replies = await this.#together(reply);
        yield this.#message(replies);
        this.#taken(replies.length);
      }
    } finally {
      for (const call of this.#calls.values()) call.abort(cancelled());
    }
  }

  /** With the answers that are ready by the end of the tick: those of one batch are. */
  async #together(first: EncodedMessage): Promise<readonly EncodedMessage[]> {
    if (!this.#clientReadsMore || this.#open === 1) return [first];
    await endOfTick();
    let bytes = first.bytes.length;
    const others = this.#replies.takeWhile((reply) => {
      bytes += reply.bytes.length;
      return bytes <= MAX_GROUP_BYTES;
    });
    return [first, ...others];
  }

  #message(replies: readonly EncodedMessage[]): EncodedMessage {
    const { groupedRequests, groupedResponses } = this.#shape;
    const [only] = replies;
    if (groupedResponses === undefined) return only as EncodedMessage;
    const bytes = grouped(
      replies.map((reply) => reply.bytes),
      groupedResponses,
    );
    if (this.#hasSaid || groupedRequests === undefined) return new EncodedMessage(bytes);
    this.#hasSaid = true;
    return new EncodedMessage(readingMore(bytes, groupedResponses));
  }

  async #read(frames: AsyncIterable<RequestFrame>): Promise<void> {
    try {
      for await (const frame of frames) {
        if (frame.readsMore === true) this.#clientReadsMore = true;
        for (const one of [frame, ...(frame.more ?? [])]) {
          this.#accept(one);
          if (this.#open >= this.#limits.maxInFlightFrames) await this.#roomForMore();
        }
      }
      this.#halfClosed = true;
      this.#endIfDone();
    } catch (error) {
      this.#replies.fail(error);
    }
  }

  #accept(frame: RequestFrame): void {
    if (frame.call.case === CANCEL_CASE) {
      this.#calls.get(frame.callId)?.abort(cancelled());
      return;
    }
    this.#open += 1;
    void this.#serve(frame);
  }

  /** Never rejects: whatever happens becomes the frame's answer. */
  async #serve(frame: RequestFrame): Promise<void> {
    const name = frame.call.case ?? "";
    const method = this.#methods.get(name);
    let call: ServerCall | undefined;
    let disarm: (() => void) | undefined;
    try {
      if (method === undefined) throw new RpcError(Code.UNIMPLEMENTED, "no such call in a frame");
      if (this.#draining) throw draining();
      const deadlineMs = this.#deadline(frame, method);
      call = this.#begin(frame, method, deadlineMs);
      disarm = armDeadline(call, deadlineMs);
      const value = await this.#handle(method, call, frame.call.value as Message);
      const reply = resultFrame(frame.callId, method, value);
      call.finish(undefined);
      this.#replies.push(reply);
    } catch (thrown) {
      this.#fail(frame, method, call, thrown);
    } finally {
      disarm?.();
      if (call !== undefined && this.#calls.get(frame.callId) === call) {
        this.#calls.delete(frame.callId);
      }
    }
  }

  /** The handler's answer, or the reason of an abort as soon as there is one. */
  #handle(
    { handler }: FrameMethod,
    call: ServerCall,
    request: Message,
  ): Promise<MessageInitShape<DescMessage>> {
    return new Promise((resolve, reject) => {
      call.whenAborted(reject);
      call.run(() => handler(request, call)).then(resolve, reject);
    });
  }

  #begin(frame: RequestFrame, { method, allow, needsTenant }: FrameMethod, deadlineMs: number) {
    authorize(this.#stream.peer, methodName(method), allow);
    const caller = this.#caller(frame);
    if (needsTenant && caller.tenant === "") {
      throw invalid(METADATA.tenant, `${methodName(method)} is called for a tenant`);
    }
    const { traceparent } = frame;
    const call = this.#stream.child({
      method,
      caller,
      deadlineMs,
      requestId: requestIdOr(frame.requestId),
      span: startCallSpan("server", method, contextOf({ traceparent, tracestate: undefined })),
      transport: "exchange",
    });
    this.#calls.set(frame.callId, call);
    return call;
  }

  /** An outside credential is who it is; what its frames claim is not believed. */
  #caller(frame: RequestFrame): Caller {
    if (this.#stream.peer.kind === "caller") return this.#stream.peer.caller;
    return {
      tenant: frame.tenant,
      principal: frame.principal,
      scopes: decodeList(METADATA.scopes, frame.scopes),
      agents: decodeList(METADATA.agents, frame.agents),
      keyPrefixes: decodeList(METADATA.keyPrefixes, frame.keyPrefixes),
    };
  }

  #deadline({ timeout }: RequestFrame, { method }: FrameMethod): number {
    const asked =
      timeout === undefined ? Number.POSITIVE_INFINITY : Date.now() + durationMs(timeout);
    return effectiveDeadline(method, asked, this.#limits);
  }

  #fail(
    { callId }: RequestFrame,
    method: FrameMethod | undefined,
    call: ServerCall | undefined,
    thrown: unknown,
  ): void {
    const name = methodName(method?.method ?? this.#stream.method);
    const failed = failedAnswer(thrown, this.#stream.hooks, name, call);
    if (call !== undefined) call.finish(failed.error);
    else if (method !== undefined) this.#reportRefused(method, failed.error);
    this.#replies.push(errorFrame(callId, failed.status));
  }

  /** A frame that was refused before it became a call counts as one all the same. */
  #reportRefused({ method }: FrameMethod, error: RpcError): void {
    const { hooks, peer } = this.#stream;
    const where = { side: "server", transport: "exchange", durationMs: 0 } as const;
    reportCall(hooks, method, { ...where, peer: peerName(peer) }, error);
  }

  #taken(count: number): void {
    this.#open -= count;
    this.#room?.();
    this.#endIfDone();
  }

  #roomForMore(): Promise<void> {
    return new Promise((resolve) => {
      this.#room = () => {
        this.#room = undefined;
        resolve();
      };
    });
  }

  #endIfDone(): void {
    if (this.#open > 0) return;
    if (this.#halfClosed) this.#replies.end();
    else if (this.#draining) this.#replies.fail(draining());
  }
}
