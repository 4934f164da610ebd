// The baseline of (a) and (c): a unary RPC without content, on the same stack as the service.
import {
  allowAll,
  type Routes,
  serveGrpc,
  service,
  serviceTokenAuthenticator,
} from "@lanekeeper/rpc";
import { EchoService } from "../../../../packages/rpc/src/testing/gen/lanekeeper/rpctest/v1/echo_service_pb.ts";

const routes: Routes<typeof EchoService> = {
  echo: async () => ({}),
  shout: async () => ({}),
  async *count() {},
  async *chat() {},
  async *exchange() {},
};

const server = await serveGrpc({
  host: "127.0.0.1",
  port: 0,
  authenticator: serviceTokenAuthenticator(process.env["BENCH_SECRET"] ?? ""),
  services: [
    service({
      desc: EchoService,
      routes,
      allow: allowAll(EchoService, "ingress"),
      tenantless: ["exchange"],
    }),
  ],
});
process.once("disconnect", () => void server.drain({ timeoutMs: 0 }));
process.send?.({ answer: server.address });
