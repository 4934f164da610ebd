import type { DescMessage } from "@bufbuild/protobuf";
import type { sendUnaryData, ServerUnaryCall } from "@grpc/grpc-js";
import { failedAnswer } from "../call/answer.ts";
import { methodName } from "../call/call-context.ts";
import { refusedCall } from "../call/refused-call.ts";
import type { UnaryHandler } from "../call/routes.ts";
import { decodeMessage, encodeMessage } from "../codec.ts";
import { type CallGate, type OpenCall, openCall } from "./call-gate.ts";
import { grpcStatus } from "./grpc-status.ts";
import type { MethodBinding } from "./service-binding.ts";

type Call = ServerUnaryCall<Buffer, Buffer>;
type Reply = sendUnaryData<Buffer>;

/** The grpc-js handler of a unary method. */
export function unaryMethod(gate: CallGate, binding: MethodBinding) {
  return (grpcCall: Call, reply: Reply): void => {
    openCall(gate, binding, grpcCall).then(
      (open) => void serve(gate, binding, open, grpcCall.request, reply),
      (refusal: unknown) => refuse(gate, binding, refusal, reply),
    );
  };
}

function refuse(gate: CallGate, { method }: MethodBinding, refusal: unknown, reply: Reply): void {
  reply(grpcStatus(refusedCall(gate, method, refusal, "grpc").status));
}

async function serve(
  gate: CallGate,
  { method, handler }: MethodBinding,
  { call, close }: OpenCall,
  bytes: Buffer,
  reply: Reply,
): Promise<void> {
  const fail = (thrown: unknown): void => {
    const failed = failedAnswer(thrown, gate.hooks, methodName(method), call);
    reply(grpcStatus(failed.status));
    call.finish(failed.error);
  };
  call.whenAborted(fail);
  try {
    const request = decodeMessage(method.input, bytes, gate.limits.maxRequestBytes);
    const work = handler as UnaryHandler<DescMessage, DescMessage>;
    const response = encodeMessage(method.output, await call.run(() => work(request, call)));
    if (call.abortReason !== undefined) return;
    reply(null, response);
    call.finish(undefined);
  } catch (thrown) {
    if (call.abortReason === undefined) fail(thrown);
  } finally {
    close();
  }
}
