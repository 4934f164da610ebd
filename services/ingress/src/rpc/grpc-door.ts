import { ApiKeyService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import { IngressService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import {
  allowAll,
  type GrpcServer,
  type Routes,
  type RpcHooks,
  serveGrpc,
  service,
} from "@lanekeeper/rpc";
import { explainBusyPort, type Secret, type ServiceContext } from "@lanekeeper/service";
import type { Entrance } from "../credentials/entrance.ts";
import type { IngressLimits } from "../limits.ts";
import type { IngressMetrics } from "../metrics.ts";
import { ingressAuthenticator } from "./authenticator.ts";

/** Ingress's own services, for every transport. */
export interface OwnRoutes {
  readonly ingress: Routes<typeof IngressService>;
  readonly apiKeys: Routes<typeof ApiKeyService>;
}

/** What stands behind the gRPC port. */
export interface GrpcDoor {
  readonly settings: ServiceContext["settings"];
  readonly clusterSecret: Secret;
  readonly credentials: Pick<Entrance, "authenticate" | "identify">;
  readonly hooks: RpcHooks;
  readonly limits: Pick<IngressLimits, "maxConnections">;
  readonly metrics: Pick<IngressMetrics, "grpcConnectionRefused">;
}

/** What a key needs, `connect/permissions.ts` says; the operator's program comes as a peer. */
const CALLERS = ["caller", "cli"] as const;

/** @throws BusyPortError */
export function openGrpc(
  { settings, clusterSecret, credentials, hooks, limits, metrics }: GrpcDoor,
  { ingress, apiKeys }: OwnRoutes,
): Promise<GrpcServer> {
  const { host, port, variable } = settings.services.ingress.grpc;
  return serveGrpc({
    host,
    port,
    authenticator: ingressAuthenticator(clusterSecret.reveal(), credentials),
    services: [
      service({
        desc: IngressService,
        routes: ingress,
        allow: allowAll(IngressService, ...CALLERS),
      }),
      service({ desc: ApiKeyService, routes: apiKeys, allow: allowAll(ApiKeyService, ...CALLERS) }),
    ],
    hooks,
    limits: { maxConnections: limits.maxConnections },
    onConnectionRefused: () => metrics.grpcConnectionRefused(),
    explainBusyPort: (taken) => explainBusyPort(taken, variable),
  });
}
