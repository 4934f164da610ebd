import type { DescMethod } from "@bufbuild/protobuf";
import { Code, RpcError } from "@lanekeeper/rpc";
import { timeoutHeader } from "./attempt.ts";
import { type EdgeCall, transportError } from "./edge-call.ts";
import { responseError } from "./edge-error.ts";
import type { EdgeOptions } from "./edge-options.ts";

export interface Post {
  readonly method: DescMethod;
  readonly contentType: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly signal: AbortSignal;
}

/** Sends a request; gives an answer whose head promises messages. @throws RpcError */
export async function post(edge: EdgeOptions, call: EdgeCall, request: Post): Promise<Response> {
  const { method, contentType, body, signal } = request;
  const url = `${edge.baseUrl.replace(/\/+$/, "")}/${method.parent.typeName}/${method.name}`;
  const headers = { ...call.headers, ...timeoutHeader(call), "content-type": contentType };
  const response = await fetch(url, {
    method: "POST",
    headers,
    body,
    signal,
    redirect: "error",
  }).catch((cause: unknown) => {
    throw transportError(call, cause);
  });
  if (!response.ok) throw await responseError(response);
  if (response.headers.get("content-type") === contentType) return response;
  throw new RpcError(Code.UNKNOWN, `what answers at ${edge.baseUrl} is no Lanekeeper`);
}
