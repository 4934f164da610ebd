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
import { reportCall } from "../telemetry/hooks.ts";
import { abortError, anySignal, onAbort } from "./abort.ts";
import type { CallOptions } from "./call-options.ts";
import type { ClientSettings } from "./client-settings.ts";
import { callMetadata, type Outgoing, outgoing } from "./outgoing.ts";
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
    const response = decodeMessage(method.output, await context.with(call.span.context, work));
    finish(undefined);
    return response;
  } catch (error) {
    finish(error instanceof RpcError ? error : new RpcError(Code.INTERNAL, String(error)));
    throw error;
  }
}

async function withRetries(
  channel: Client,
  settings: ClientSettings,
  method: DescMethodUnary,
  bytes: Buffer,
  call: Outgoing,
): Promise<Buffer> {
  for (let failed = 0; ; ) {
    try {
      const wait = settings.waitForReady && failed > 0;
      return await attempt(channel, settings, method, bytes, call, wait);
    } catch (error) {
      failed += 1;
      await beforeRetry(error, call.retry, failed, call.deadlineMs, anySignal(call.signals));
    }
  }
}

function attempt(
  channel: Client,
  settings: ClientSettings,
  method: DescMethodUnary,
  bytes: Buffer,
  call: Outgoing,
  waitForReady: boolean,
): Promise<Buffer> {
  const ended = abortError(call.signals);
  if (ended !== undefined) return Promise.reject(ended);
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
