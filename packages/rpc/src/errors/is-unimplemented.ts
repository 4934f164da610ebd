import { Code } from "./code.ts";
import { RpcError } from "./rpc-error.ts";

/** Whether whoever was asked knows no such call, as a service of an earlier release. */
export function isUnimplemented(error: unknown): boolean {
  return error instanceof RpcError && error.code === Code.UNIMPLEMENTED;
}
