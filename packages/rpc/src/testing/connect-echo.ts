import { createServer } from "node:http";
import { onTestFinished } from "vitest";
import {
  type Caller,
  closableServer,
  type ConnectHandler,
  connectHandler,
  type ConnectHandlerOptions,
  type CallReport,
  type ConnectService,
  unauthenticated,
} from "../index.ts";
import { echoRoutes, type EchoRoutes } from "./echo.ts";
import { EchoService } from "./gen/lanekeeper/rpctest/v1/echo_service_pb.ts";

/** A Connect door over node:http on a free port. */
export interface ConnectEcho {
  readonly url: string;
  readonly handler: ConnectHandler;
  readonly reports: CallReport[];
}

type Options = Partial<Omit<ConnectHandlerOptions, "services">> & {
  readonly routes?: Partial<EchoRoutes>;
  readonly authorize?: ConnectService["authorize"];
};

const ACME: Caller = {
  tenant: "acme",
  principal: "key-1",
  scopes: ["sessions:write"],
  agents: [],
  keyPrefixes: [],
};

/** Knows one key. */
const byKey: ConnectService["authorize"] = (_, headers) => {
  if (headers.get("authorization") !== "Bearer sk-1") throw unauthenticated("no such key");
  return ACME;
};

export async function startConnectEcho(options: Options = {}): Promise<ConnectEcho> {
  const { routes, authorize = byKey, ...rest } = options;
  const reports: CallReport[] = [];
  const handler = connectHandler({
    hooks: { onCall: (report) => reports.push(report), onInternalError: () => {} },
    ...rest,
    services: [{ desc: EchoService, routes: { ...echoRoutes, ...routes }, authorize }],
  });
  const server = createServer((request, response) => {
    if (!handler.handle(request, response)) response.writeHead(404).end();
  });
  const closer = closableServer(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => closer.close(0));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP server");
  return { url: `http://127.0.0.1:${address.port}`, handler, reports };
}

/** A JSON call as curl makes it. */
export async function postJson(
  url: string,
  method: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<{ status: number; headers: Headers; body: unknown }> {
  const response = await fetch(`${url}/${EchoService.typeName}/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer sk-1", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === "" ? undefined : JSON.parse(text),
  };
}
