import type { DescService } from "@bufbuild/protobuf";
import {
  allowAll,
  type GrpcServer,
  type Routes,
  serveGrpc,
  service,
  serviceTokenAuthenticator,
} from "@lanekeeper/rpc";

/** What the services of a test trust each other by. */
export const CLUSTER_SECRET = "a-cluster-secret-for-tests-0123456789abcdef";

/** Serves a stand-in over real gRPC. */
export function serveStandIn<D extends DescService>(
  desc: D,
  routes: Routes<D>,
  port = 0,
): Promise<GrpcServer> {
  return serveGrpc({
    host: "127.0.0.1",
    port,
    authenticator: serviceTokenAuthenticator(CLUSTER_SECRET),
    services: [service({ desc, routes, allow: allowAll(desc, "ingress") })],
    // Defects are played on purpose.
    hooks: { onInternalError: () => undefined },
    limits: { maxRequestBytes: 16 * 1024 * 1024 },
  });
}
