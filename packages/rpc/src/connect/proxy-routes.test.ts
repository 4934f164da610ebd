import { createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import { postJson, startConnectEcho } from "../testing/connect-echo.ts";
import { collect, echoClient, startEcho } from "../testing/echo.ts";
import { EchoService } from "../testing/gen/lanekeeper/rpctest/v1/echo_service_pb.ts";
import { proxyRoutes } from "./proxy-routes.ts";
import { auth, type ErrorBody, transports } from "../testing/connect-transports.ts";

test("a proxied call reaches the service for whom it was made, in its deadline and trace", async () => {
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  let seen: unknown;
  let deadline: Date | undefined;
  const { server } = await startEcho({
    routes: {
      echo: async (_, call) => {
        const { tenant, principal, scopes, requestId, traceparent: trace } = call;
        deadline = call.deadline;
        seen = { tenant, principal, scopes, requestId, traceparent: trace };
        return {};
      },
      shout: async () => {
        throw new LanekeeperError("GENERATION_MISMATCH", "not yours");
      },
    },
  });
  const below = echoClient(server.address, { defaults: { tenant: "default" } });
  const { url } = await startConnectEcho({ routes: proxyRoutes(EchoService, below) });
  await postJson(
    url,
    "Echo",
    {},
    { "x-request-id": "r", traceparent, "connect-timeout-ms": "20000" },
  );
  const who = { tenant: "acme", principal: "key-1", scopes: ["sessions:write"] };
  expect(seen).toEqual({ ...who, requestId: "r", traceparent });
  expect(deadline?.getTime()).toBeLessThanOrEqual(Date.now() + 20_000);
  const refused = await postJson(url, "Shout", {});
  expect((refused.body as ErrorBody).details[0]?.debug).toMatchObject({
    reason: "GENERATION_MISMATCH",
  });
  const [, transport] = transports(url)[0] ?? [];
  if (transport === undefined) throw new Error("none");
  const client = createClient(EchoService, transport);
  expect(await collect(client.count({ count: 3 }, { headers: auth }))).toHaveLength(3);
});
