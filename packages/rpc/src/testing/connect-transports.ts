import type { Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";

/** The key that startConnectEcho knows. */
export const auth = { authorization: "Bearer sk-1" };

/** Each way by which a client of Connect may come, with its name. */
export function transports(baseUrl: string): [string, Transport][] {
  return [
    ["connect", createConnectTransport({ baseUrl, httpVersion: "1.1" })],
    [
      "connect, binary",
      createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
    ],
    ["gRPC-Web", createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })],
  ];
}

/** A refusal in Connect's JSON. */
export interface ErrorBody {
  readonly code: string;
  readonly details: readonly { readonly type: string; readonly debug: Record<string, unknown> }[];
}
