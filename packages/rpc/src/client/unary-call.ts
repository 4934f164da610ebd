import type {
  DescMethodUnary,
  DescMessage,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Client } from "@grpc/grpc-js";
import { context } from "@opentelemetry/api";
import { decodeMessage, encodeMessage, rawBytes } from "../codec.ts";
import { Code } from "../errors/code.ts";
import { fromGrpcError } from "../errors/from-status.ts";
import { RpcError } from "../errors/rpc-error.ts";
import type { ExchangeStream } from "../exchange/exchange-stream.ts";
import { reportCall } from "../telemetry/hooks.ts";
import { abortError, onAbort } from "./abort.ts";
import type { CallOptions } from "./call-options.ts";
import type { ClientSettings } from "./client-settings.ts";
import { callMetadata, failureOf, type Outgoing, outgoing } from "./outgoing.ts";
import { beforeRetry } from "./retry.ts";

export async function unaryCall<I extends DescMessage, O extends DescMessage>(
  channel: Client,
  settings: ClientSettings,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  options: CallOptions,
): Promise<MessageShape<O>> {
  const call = outgoing(settings, method, options);
  const startedMs = performance.now();
  const finish = (error: RpcError | undefined): void => {
    call.span.end(error);
    const durationMs = performance.now() - startedMs;
    const where = { side: "client", transport: "grpc", peer: settings.target, durationMs } as const;
    reportCall(settings.hooks, method, where, error);
  };
  try {
    const bytes = encodeMessage(method.input, request);
    const work = () => withRetries(channel, settings, method, bytes, call);
    const response = await context.with(call.span.context, work);
    finish(undefined);
    return response;
  } catch (thrown) {
    const error = failureOf(settings, call, thrown);
    finish(error instanceof RpcError ? error : new RpcError(Code.INTERNAL, String(error)));
    throw error;
  }
}

async function withRetries<O extends DescMessage>(
  channel: Client,
  settings: ClientSettings,
  method: DescMethodUnary<DescMessage, O>,
  bytes: Buffer,
  call: Outgoing,
): Promise<MessageShape<O>> {
  for (let failed = 0; ; ) {
    try {
      const wait = settings.waitForReady && failed > 0;
      return await attempt(channel, settings, method, bytes, call, wait);
    } catch (error) {
      failed += 1;
      await beforeRetry(error, call.retry, failed, call.deadlineMs, call.signals);
    }
  }
}

/** One attempt: as a frame where a stream is open, else as a call of its own. */
async function attempt<O extends DescMessage>(
  channel: Client,
  settings: ClientSettings,
  method: DescMethodUnary<DescMessage, O>,
  bytes: Buffer,
  call: Outgoing,
  waitForReady: boolean,
): Promise<MessageShape<O>> {
  const ended = abortError(call.signals);
  if (ended !== undefined) throw ended;
  const stream = settings.exchange?.pick(method.localName, bytes.length);
  const answer = stream && (await framed(stream, method, bytes, call));
  if (answer !== undefined) return answer;
  const response = await unary(channel, settings, method, bytes, call, waitForReady);
  return decodeMessage(method.output, response);
}

/** Undefined where the server is older than the frame: then a unary call has to do. */
async function framed<O extends DescMessage>(
  stream: ExchangeStream,
  method: DescMethodUnary<DescMessage, O>,
  request: Buffer,
  { caller, requestId, span, deadlineMs, signals }: Outgoing,
): Promise<MessageShape<O> | undefined> {
  const { traceparent } = span.headers;
  const frame = { name: method.localName, request, caller, requestId, traceparent };
  try {
    return (await stream.call(frame, deadlineMs, signals)) as MessageShape<O>;
  } catch (error) {
    if (error instanceof RpcError && error.code === Code.UNIMPLEMENTED) return undefined;
    throw error;
  }
}

function unary(
  channel: Client,
  settings: ClientSettings,
  method: DescMethodUnary,
  bytes: Buffer,
  call: Outgoing,
  waitForReady: boolean,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const grpcCall = channel.makeUnaryRequest(
      `/${method.parent.typeName}/${method.name}`,
      rawBytes,
      rawBytes,
      bytes,
      callMetadata(settings, call, waitForReady),
      { deadline: call.deadlineMs },
      (error, response) => {
        forget();
        if (error !== null) reject(abortError(call.signals) ?? fromGrpcError(error));
        else resolve(response ?? Buffer.alloc(0));
      },
    );
    const forget = onAbort(call.signals, () => grpcCall.cancel());
  });
}
