import type {
  DescMethodUnary,
  DescMessage,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { Client, ClientUnaryCall } from "@grpc/grpc-js";
import { context } from "@opentelemetry/api";
import { decodeMessage, encodeMessage, rawBytes } from "../codec.ts";
import { Code } from "../errors/code.ts";
import { fromGrpcError } from "../errors/from-status.ts";
import { isUnimplemented } from "../errors/is-unimplemented.ts";
import { RpcError } from "../errors/rpc-error.ts";
import type { ExchangePool } from "../exchange/exchange-pool.ts";
import type { ExchangeStream, OnSilent } from "../exchange/exchange-stream.ts";
import { reportCall } from "../telemetry/hooks.ts";
import { abortError, onAbort, waited } from "./abort.ts";
import type { CallOptions } from "./call-options.ts";
import type { ClientSettings } from "./client-settings.ts";
import { firstAnswer } from "./first-answer.ts";
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
  const { exchange } = settings;
  for (let asked = 0; ; ) {
    const wait = settings.waitForReady && asked > 0;
    const ask = (signals: readonly AbortSignal[], onSilent?: OnSilent) => {
      asked += 1;
      return attempt(channel, settings, method, bytes, { ...call, signals }, wait, onSilent);
    };
    // Of who is asked because another fell silent the same holds, as long as there are attempts.
    const askAround = (
      signals: readonly AbortSignal[],
      pool: ExchangePool,
    ): Promise<MessageShape<O>> =>
      firstAnswer(
        (askOther) =>
          ask(signals, (giveUp) => {
            const isAnother = asked < call.retry.maxAttempts && pool.hasAnswering;
            if (isAnother) askOther(giveUp);
            return isAnother;
          }),
        async (signal) => {
          const both = [...signals, signal];
          await waited(Math.random() * pool.spreadMs, both);
          return askAround(both, pool);
        },
      );
    try {
      return await (exchange ? askAround(call.signals, exchange) : ask(call.signals));
    } catch (error) {
      await beforeRetry(error, call.retry, asked, call.deadlineMs, call.signals);
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
  onSilent: OnSilent | undefined,
): Promise<MessageShape<O>> {
  const ended = abortError(call.signals);
  if (ended !== undefined) throw ended;
  const stream = settings.exchange?.pick(method.localName, bytes.length);
  const answer = stream && (await framed(stream, method, bytes, call, onSilent));
  if (answer !== undefined) return answer;
  const through = settings.exchange?.around() ?? channel;
  const response = await unary(through, settings, method, bytes, call, waitForReady, onSilent);
  return decodeMessage(method.output, response);
}

/** Undefined where the server is older than the frame: then a unary call has to do. */
async function framed<O extends DescMessage>(
  stream: ExchangeStream,
  method: DescMethodUnary<DescMessage, O>,
  request: Buffer,
  { caller, requestId, span, deadlineMs, signals }: Outgoing,
  onSilent: OnSilent | undefined,
): Promise<MessageShape<O> | undefined> {
  const { traceparent } = span.headers;
  const frame = { name: method.localName, request, caller, requestId, traceparent };
  try {
    return (await stream.call(frame, deadlineMs, signals, onSilent)) as MessageShape<O>;
  } catch (error) {
    if (isUnimplemented(error)) return undefined;
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
  onSilent: OnSilent | undefined,
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
        stopListening();
        if (error !== null) reject(abortError(call.signals) ?? fromGrpcError(error));
        else resolve(response ?? Buffer.alloc(0));
      },
    );
    const forget = onAbort(call.signals, () => grpcCall.cancel());
    const stopListening = listen(settings.exchange, grpcCall, onSilent);
  });
}

/** Asks, as long as the call waits, whether all are there: grpc-js does not tell to whom it went. Returns what ends that. */
function listen(
  exchange: ExchangePool | undefined,
  grpcCall: ClientUnaryCall,
  onSilent: OnSilent | undefined,
): () => void {
  if (exchange === undefined || onSilent === undefined) return () => {};
  let isOver = false;
  const look = async () => {
    const isSilent = await exchange.hasSilent();
    if (isOver) return;
    isOver = isSilent && onSilent(() => grpcCall.cancel());
    if (!isOver) timer.refresh();
  };
  const timer = setTimeout(() => void look(), exchange.silentMs);
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}
