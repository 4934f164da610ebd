import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Client, ClientDuplexStream, ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { decodeMessage, encodeMessage, rawBytes } from "../codec.ts";
import { fromGrpcError } from "../errors/from-status.ts";
import { RpcError } from "../errors/rpc-error.ts";
import { Code } from "../errors/code.ts";
import { reportCall } from "../telemetry/hooks.ts";
import { abortError, onAbort } from "./abort.ts";
import type { CallOptions } from "./call-options.ts";
import type { ClientSettings } from "./client-settings.ts";
import { MessageStream } from "./message-stream.ts";
import { callMetadata, failureOf, type Outgoing, outgoing } from "./outgoing.ts";
import { beforeRetry } from "./retry.ts";

type Source = ClientReadableStream<Buffer> | ClientDuplexStream<Buffer, Buffer>;

/**
 * A server stream. It is opened at once, and again by the retry policy as long as nothing came; a
 * stream that breaks later throws, since only its reader knows from where to resume.
 */
export function serverStreamCall<I extends DescMessage, O extends DescMessage>(
  channel: Client,
  settings: ClientSettings,
  method: DescMethod & { readonly input: I; readonly output: O },
  request: MessageInitShape<I>,
  options: CallOptions,
): MessageStream<MessageShape<O>> {
  const bytes = encodeMessage(method.input, request);
  return streamCall(settings, method, options, (call, wait) =>
    channel.makeServerStreamRequest(
      `/${method.parent.typeName}/${method.name}`,
      rawBytes,
      rawBytes,
      bytes,
      callMetadata(settings, call, wait),
      { deadline: call.deadlineMs },
    ),
  );
}

/** A bidirectional stream; what `requests` yields is sent as fast as the server takes it. */
export function bidiCall<I extends DescMessage, O extends DescMessage>(
  channel: Client,
  settings: ClientSettings,
  method: DescMethod & { readonly input: I; readonly output: O },
  requests: AsyncIterable<MessageInitShape<I>>,
  options: CallOptions,
): MessageStream<MessageShape<O>> {
  return streamCall(settings, method, { ...options, retry: false }, (call, wait) => {
    const duplex = openDuplex(channel, settings, method, call, wait);
    void sendAll(duplex, method.input, requests);
    return duplex;
  });
}

function openDuplex(
  channel: Client,
  settings: ClientSettings,
  method: DescMethod,
  call: Outgoing,
  waitForReady: boolean,
): ClientDuplexStream<Buffer, Buffer> {
  return channel.makeBidiStreamRequest(
    `/${method.parent.typeName}/${method.name}`,
    rawBytes,
    rawBytes,
    callMetadata(settings, call, waitForReady),
    { deadline: call.deadlineMs },
  );
}

/** A source of requests that fails cancels the call: the server must not take it for a clean end. */
async function sendAll<I extends DescMessage>(
  duplex: ClientDuplexStream<Buffer, Buffer>,
  schema: I,
  requests: AsyncIterable<MessageInitShape<I>>,
): Promise<void> {
  try {
    for await (const request of requests) {
      if (duplex.destroyed || !duplex.writable) return;
      if (!duplex.write(encodeMessage(schema, request))) await drained(duplex);
    }
    duplex.end();
  } catch {
    duplex.cancel();
  }
}

function drained(duplex: ClientDuplexStream<Buffer, Buffer>): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      duplex.off("drain", done).off("close", done).off("status", done);
      resolve();
    };
    duplex.on("drain", done).on("close", done).on("status", done);
  });
}

function streamCall<I extends DescMessage, O extends DescMessage>(
  settings: ClientSettings,
  method: DescMethod & { readonly input: I; readonly output: O },
  options: CallOptions,
  open: (call: Outgoing, waitForReady: boolean) => Source,
): MessageStream<MessageShape<O>> {
  const call = outgoing(settings, method, options);
  const stream = new MessageStream<MessageShape<O>>();
  const startedMs = performance.now();
  const finish = (error: RpcError | undefined): void => {
    stream.finish(error);
    call.span.end(error);
    const durationMs = performance.now() - startedMs;
    const where = { side: "client", transport: "grpc", peer: settings.target, durationMs } as const;
    reportCall(settings.hooks, method, where, error);
  };
  void run(settings, method.output, call, stream, open).then(
    () => finish(undefined),
    (thrown: unknown) => {
      const error = failureOf(settings, call, thrown);
      finish(error instanceof RpcError ? error : new RpcError(Code.INTERNAL, String(error)));
    },
  );
  return stream;
}

async function run<O extends DescMessage>(
  settings: ClientSettings,
  schema: O,
  call: Outgoing,
  stream: MessageStream<MessageShape<O>>,
  open: (call: Outgoing, waitForReady: boolean) => Source,
): Promise<void> {
  for (let failed = 0; ; ) {
    const ended = abortError(call.signals);
    if (ended !== undefined) throw ended;
    const source = open(call, settings.waitForReady && failed > 0);
    const { received, error } = await deliver(source, schema, call, stream);
    if (error === undefined) return;
    failed += 1;
    if (received) throw error;
    await beforeRetry(error, call.retry, failed, call.deadlineMs, call.signals);
  }
}

interface Delivered {
  readonly received: boolean;
  readonly error: RpcError | undefined;
}

/** Hands on all messages of one attempt; resolves at its end and never rejects. */
function deliver<O extends DescMessage>(
  source: Source,
  schema: O,
  call: Outgoing,
  stream: MessageStream<MessageShape<O>>,
): Promise<Delivered> {
  return new Promise((resolve) => {
    let received = false;
    let left = false;
    const forget = onAbort(call.signals, () => source.cancel());
    const end = (error: RpcError | undefined) => {
      forget();
      resolve({ received, error: left ? undefined : error });
    };
    stream.attach({
      pause: () => source.pause(),
      resume: () => source.resume(),
      cancel: () => {
        left = true;
        source.cancel();
      },
    });
    source.on("data", (bytes: Buffer) => {
      received = true;
      try {
        stream.push(decodeMessage(schema, bytes));
      } catch (error) {
        end(error as RpcError);
        source.cancel();
      }
    });
    source.on("error", (error: ServiceError) => {
      // The status may overtake messages that are still buffered; reading hands them on first.
      while (source.read() !== null);
      end(abortError(call.signals) ?? fromGrpcError(error));
    });
    source.on("end", () => end(undefined));
  });
}
