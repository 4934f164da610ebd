import type {
  DescMessage,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { create, fromJson, toJson } from "@bufbuild/protobuf";
import type { JsonValue } from "@bufbuild/protobuf";
import { createEdgeClients, type EdgeClients } from "@lanekeeper/client";
import { jsonRegistry } from "@lanekeeper/rpc";
import { CliError } from "../cli-error.ts";
import { connectError } from "./connect-error.ts";

/** Calls the services through ingress, as whoever the key stands for. */
export interface Operator {
  readonly url: string;
  /** @throws LanekeeperError for a refusal; CliError where nobody answers */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
  ): Promise<MessageShape<O>>;
  /** For what is answered by a stream. */
  readonly streams: EdgeClients;
}

/** A page of 500 journal entries takes milliseconds; half a minute is for a machine in trouble. */
const TIMEOUT_MS = 30_000;

/** Connect's unary JSON: https://connectrpc.com/docs/protocol#unary-request-response-rpcs */
export function createOperator(url: string, apiKey: string): Operator {
  return {
    url,
    streams: createEdgeClients({ baseUrl: url, apiKey }),
    async call(method, request) {
      const path = `${method.parent.typeName}/${method.name}`;
      const body = toJson(method.input, create(method.input, request));
      const response = await post(url, path, apiKey, body);
      const answer = (await response.json().catch(() => undefined)) as JsonValue | undefined;
      if (!response.ok || answer === undefined) throw connectError(url, response.status, answer);
      const registry = jsonRegistry([method.parent]);
      return fromJson(method.output, answer, { ignoreUnknownFields: true, registry });
    },
  };
}

async function post(url: string, path: string, apiKey: string, body: JsonValue): Promise<Response> {
  try {
    return await fetch(`${url}/${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (cause) {
    throw new CliError(
      `Nothing answers at ${url}: start Lanekeeper with "npm start", or set LANEKEEPER_URL to where it runs.`,
      { cause },
    );
  }
}
