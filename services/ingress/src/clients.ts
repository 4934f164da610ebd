import {
  createDeliveryClient,
  createIdentityClient,
  createRunnerClient,
  type DeliveryClient,
  type IdentityClient,
  type RunnerClient,
} from "@lanekeeper/client";
import { type RpcHooks, serviceCredential } from "@lanekeeper/rpc";
import {
  formatTarget,
  type Secret,
  type ServiceName,
  type Settings,
  type TlsPaths,
} from "@lanekeeper/service";

/** The other services, as ingress calls them. */
export interface Clients extends Disposable {
  readonly identity: IdentityClient;
  readonly runner: RunnerClient;
  readonly delivery: DeliveryClient;
  readonly hooks: RpcHooks;
}

/** Connects on the first call to each. */
export function connectClients(
  settings: Pick<Settings, "services">,
  secret: Secret,
  tls: TlsPaths | undefined,
  hooks: RpcHooks,
): Clients {
  const credential = serviceCredential("ingress", secret.reveal());
  const to = (name: ServiceName) => ({
    target: formatTarget(settings.services[name].target),
    credential,
    tls,
    hooks,
  });
  const identity = createIdentityClient(to("session-identity"));
  const runner = createRunnerClient(to("runner"));
  const delivery = createDeliveryClient(to("delivery"));
  return {
    identity,
    runner,
    delivery,
    hooks,
    [Symbol.dispose]() {
      for (const client of [identity, runner, delivery]) client.$close();
    },
  };
}
