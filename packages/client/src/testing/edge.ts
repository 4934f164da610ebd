import { createServer, type RequestListener } from "node:http";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { closableServer, connectHandler, unauthenticated } from "@lanekeeper/rpc";
import { onTestFinished } from "vitest";
import { createEdgeClients, type EdgeClients } from "../edge/edge-clients.ts";
import type { EdgeOptions } from "../edge/edge-options.ts";
import { type IdentityRoutes, identityRoutes } from "./identity-routes.ts";

const API_KEY = "lk_edge_test";

/** A server of node:http on a free port, closed when the test ends. */
export async function startHttp(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  const closer = closableServer(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => closer.close(0));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP server");
  return `http://127.0.0.1:${address.port}`;
}

/** The door that ingress has, before a session-identity that is played. Its key stands for `acme`. */
export function startEdge(played: Partial<IdentityRoutes>): Promise<string> {
  const door = connectHandler({
    hooks: { onInternalError: () => {} },
    services: [
      {
        desc: SessionIdentityService,
        routes: identityRoutes(played),
        authorize: (_, headers) => {
          if (headers.get("authorization") !== `Bearer ${API_KEY}`) throw unauthenticated("no key");
          const scopes = ["operator"];
          return { tenant: "acme", principal: "key-1", scopes, agents: [], keyPrefixes: [] };
        },
      },
    ],
  });
  return startHttp((request, response) => {
    if (!door.handle(request, response)) response.writeHead(404).end();
  });
}

/** Clients with quick retries. */
export function edgeAt(baseUrl: string, options: Partial<EdgeOptions> = {}): EdgeClients {
  return createEdgeClients({
    baseUrl,
    apiKey: API_KEY,
    retry: { initialBackoffMs: 5 },
    ...options,
  });
}
