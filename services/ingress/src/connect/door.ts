import type { DescService } from "@bufbuild/protobuf";
import { DeliveryService } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { ApiKeyService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import { IngressService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { RunnerService } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { DeliveryClient, IdentityClient, RunnerClient } from "@lanekeeper/client";
import {
  type ConnectHandler,
  type ConnectService,
  connectHandler,
  proxyRoutes,
  type Routes,
  type RpcHooks,
} from "@lanekeeper/rpc";
import type { Entrance } from "../credentials/entrance.ts";
import type { StandingDeps } from "../credentials/standing-check.ts";
import type { BodyBudget } from "../http/read-body.ts";
import { lettingIn } from "./letting-in.ts";
import { notingFacts } from "./note-facts.ts";
import { requireOwnRoutes } from "./own-routes.ts";
import { tellRun, tellSubmitted } from "./tell-turns.ts";
import { whileValid } from "./while-valid.ts";

/** What stands behind the door. */
export interface ConnectDoor extends StandingDeps {
  readonly credentials: Pick<Entrance, "authenticate" | "hold" | "recheck">;
  readonly bodyBudget: Pick<BodyBudget, "release" | "take">;
  readonly identity: IdentityClient;
  readonly runner: RunnerClient;
  readonly delivery: DeliveryClient;
  readonly ingress: Routes<typeof IngressService>;
  readonly apiKeys: Routes<typeof ApiKeyService>;
  readonly hooks: RpcHooks;
}

/**
 * The RPCs of all services over Connect, under `/<package>.<Service>/<Method>`: for operators,
 * adapters and `curl`. Tenant and principal are the credential's, whatever a request says.
 */
export function connectDoor(door: ConnectDoor): ConnectHandler {
  const { admit, authorize } = lettingIn(door.credentials);
  const served = <D extends DescService>(desc: D, routes: Routes<D>): ConnectService => ({
    desc,
    routes: notingFacts(desc, whileValid(desc, routes, door)),
    authorize,
  });
  const runner = proxyRoutes(RunnerService, door.runner);
  return connectHandler({
    hooks: door.hooks,
    bodies: {
      admit,
      take: (bytes) => door.bodyBudget.take(bytes),
      release: (bytes) => door.bodyBudget.release(bytes),
    },
    services: [
      served(SessionIdentityService, proxyRoutes(SessionIdentityService, door.identity)),
      served(RunnerService, tellSubmitted(requireOwnRoutes(runner, door.delivery))),
      served(DeliveryService, proxyRoutes(DeliveryService, door.delivery)),
      served(IngressService, tellRun(door.ingress)),
      served(ApiKeyService, door.apiKeys),
    ],
  });
}
