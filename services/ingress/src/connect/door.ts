import type { DescService } from "@bufbuild/protobuf";
import { DeliveryService } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { IngressService } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { RunnerService } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { DeliveryClient, IdentityClient, RunnerClient } from "@lanekeeper/client";
import {
  type Authorize,
  type ConnectHandler,
  type ConnectService,
  connectHandler,
  proxyRoutes,
  type Routes,
  type RpcHooks,
} from "@lanekeeper/rpc";
import type { CredentialCheck } from "../credentials/check.ts";
import { authorizeMethod } from "./permissions.ts";
import { tellRun, tellSubmitted } from "./tell-turns.ts";

/** What stands behind the door. */
export interface ConnectDoor {
  readonly credentials: CredentialCheck;
  readonly identity: IdentityClient;
  readonly runner: RunnerClient;
  readonly delivery: DeliveryClient;
  readonly ingress: Routes<typeof IngressService>;
  readonly hooks: RpcHooks;
}

/**
 * The RPCs of all services over Connect, under `/<package>.<Service>/<Method>`: for operators,
 * adapters and `curl`. Tenant and principal are the credential's, whatever a request says.
 */
export function connectDoor(door: ConnectDoor): ConnectHandler {
  const authorize: Authorize = async (method, headers) => {
    const shown = headers.get("authorization") ?? undefined;
    const caller = await door.credentials.authenticate(shown);
    authorizeMethod(caller, method);
    return caller;
  };
  const served = (desc: DescService, routes: ConnectService["routes"]): ConnectService => ({
    desc,
    routes,
    authorize,
  });
  return connectHandler({
    hooks: door.hooks,
    services: [
      served(SessionIdentityService, proxyRoutes(SessionIdentityService, door.identity)),
      served(RunnerService, tellSubmitted(proxyRoutes(RunnerService, door.runner))),
      served(DeliveryService, proxyRoutes(DeliveryService, door.delivery)),
      served(IngressService, tellRun(door.ingress)),
    ],
  });
}
