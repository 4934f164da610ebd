import type { DescMethod } from "@bufbuild/protobuf";
import { failedAnswer } from "../call/answer.ts";
import { methodName } from "../call/call-context.ts";
import type { RpcError } from "../errors/rpc-error.ts";
import { reportCall } from "../telemetry/hooks.ts";
import type { ConnectGate } from "./open-connect-call.ts";

/** The error of a call that was not let in, which counts as one all the same. */
export function refusedCall(
  { hooks }: Pick<ConnectGate, "hooks">,
  method: DescMethod,
  refusal: unknown,
): RpcError {
  const { error } = failedAnswer(refusal, hooks, methodName(method), undefined);
  const where = { side: "server", transport: "connect", durationMs: 0, peer: "" } as const;
  reportCall(hooks, method, where, error);
  return error;
}
