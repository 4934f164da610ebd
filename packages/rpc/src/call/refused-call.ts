import type { DescMethod } from "@bufbuild/protobuf";
import { type CallReport, reportCall, type RpcHooks } from "../telemetry/hooks.ts";
import { type FailedAnswer, failedAnswer } from "./answer.ts";
import { methodName } from "./call-context.ts";

/** What is told of a call that was not let in, which counts as one all the same. */
export function refusedCall(
  { hooks }: { readonly hooks: RpcHooks },
  method: DescMethod,
  refusal: unknown,
  transport: CallReport["transport"],
): FailedAnswer {
  const failed = failedAnswer(refusal, hooks, methodName(method), undefined);
  reportCall(hooks, method, { side: "server", transport, durationMs: 0, peer: "" }, failed.error);
  return failed;
}
