import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { Metadata, type ServerDuplexStream, type ServerWritableStream } from "@grpc/grpc-js";
import { failedAnswer } from "../call/answer.ts";
import { methodName } from "../call/call-context.ts";
import { refusedCall } from "../call/refused-call.ts";
import type { BidiHandler, ServerStreamHandler } from "../call/routes.ts";
import type { ServerCall } from "../call/server-call.ts";
import { decodeMessage, encodeMessage } from "../codec.ts";
import { type CallGate, type IncomingCall, openCall } from "./call-gate.ts";
import { grpcStatus } from "./grpc-status.ts";
import { requestMessages } from "./request-messages.ts";
import type { MethodBinding } from "./service-binding.ts";
import { StreamSink } from "./stream-sink.ts";

type Responses = AsyncIterable<MessageInitShape<DescMessage>>;

/** The grpc-js handler of a server-streaming method. */
export function serverStreamMethod(gate: CallGate, binding: MethodBinding) {
  const handler = binding.handler as ServerStreamHandler<DescMessage, DescMessage>;
  return (stream: ServerWritableStream<Buffer, Buffer>): void => {
    const sink = new StreamSink(stream, gate.limits.slowConsumerMs);
    void serveStream(gate, binding, stream, sink, (call) => {
      const { maxRequestBytes } = gate.limits;
      return handler(decodeMessage(binding.method.input, stream.request, maxRequestBytes), call);
    });
  };
}

/** The grpc-js handler of a bidirectional method. */
export function bidiMethod(gate: CallGate, binding: MethodBinding) {
  const handler = binding.handler as BidiHandler<DescMessage, DescMessage>;
  return (stream: ServerDuplexStream<Buffer, Buffer>): void => {
    const sink = new StreamSink(stream, gate.limits.slowConsumerMs);
    void serveStream(gate, binding, stream, sink, (call) => {
      stream.sendMetadata(new Metadata()); // tells the client at once that its stream was taken
      return handler(requestMessages(stream, binding.method.input, call, gate.limits), call);
    });
  };
}

async function serveStream(
  gate: CallGate,
  binding: MethodBinding,
  incoming: IncomingCall,
  sink: StreamSink,
  start: (call: ServerCall) => Responses,
): Promise<void> {
  try {
    const { call, close } = await openCall(gate, binding, incoming);
    await pump(gate, binding, call, sink, start).finally(close);
  } catch (refusal) {
    sink.fail(grpcStatus(refusedCall(gate, binding.method, refusal, "grpc").status));
  }
}

/** Sends what the handler yields until it ends, fails or the call is aborted. Never throws. */
async function pump(
  gate: CallGate,
  { method }: MethodBinding,
  call: ServerCall,
  sink: StreamSink,
  start: (call: ServerCall) => Responses,
): Promise<void> {
  const fail = (thrown: unknown): void => {
    const failed = failedAnswer(thrown, gate.hooks, methodName(method), call);
    sink.fail(grpcStatus(failed.status));
    call.finish(failed.error);
  };
  call.whenAborted(fail);
  try {
    await send(method.output, call, sink, start);
    if (call.abortReason !== undefined) return;
    sink.end();
    call.finish(undefined);
  } catch (thrown) {
    if (call.abortReason === undefined) fail(thrown);
  }
}

async function send(
  schema: DescMessage,
  call: ServerCall,
  sink: StreamSink,
  start: (call: ServerCall) => Responses,
): Promise<void> {
  const iterator = call.run(() => start(call)[Symbol.asyncIterator]());
  while (true) {
    const next = await call.run(() => iterator.next());
    if (next.done) return;
    try {
      await sink.write(encodeMessage(schema, next.value));
    } catch (error) {
      await call.run(() => iterator.return?.());
      throw error;
    }
    if (sink.ended) {
      await call.run(() => iterator.return?.());
      return;
    }
  }
}
