import { createIdentityClient, type IdentityClient } from "@lanekeeper/client";
import {
  createGrpcClient,
  type GrpcClient,
  serviceCredential,
  type ServiceName,
} from "@lanekeeper/rpc";
import { EchoService } from "../../../../packages/rpc/src/testing/gen/lanekeeper/rpctest/v1/echo_service_pb.ts";
import { PRINCIPAL, TENANT } from "../names.ts";

const SECRET = process.env["BENCH_SECRET"] ?? "";

const identityClients = new Map<string, IdentityClient>();
const emptyClients = new Map<string, GrpcClient<typeof EchoService>>();

/** As a service holds it: one client for all its calls, which pipelines by itself. */
export function identityClient(target: string, peer: ServiceName): IdentityClient {
  return kept(identityClients, `${peer} ${target}`, () =>
    createIdentityClient({ target, ...settings(peer) }),
  );
}

/** The same client with the same callers; its calls are unary. */
export function emptyClient(target: string): GrpcClient<typeof EchoService> {
  return kept(emptyClients, target, () =>
    createGrpcClient(EchoService, { target, ...settings("ingress"), exchange: false }),
  );
}

function settings(peer: ServiceName) {
  const defaults = { tenant: TENANT, principal: PRINCIPAL };
  return { credential: serviceCredential(peer, SECRET), defaults };
}

function kept<T>(known: Map<string, T>, name: string, make: () => T): T {
  const found = known.get(name) ?? make();
  known.set(name, found);
  return found;
}

export function closeClients(): void {
  for (const client of [...identityClients.values(), ...emptyClients.values()]) client.$close();
}
