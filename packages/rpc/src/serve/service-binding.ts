import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { type Allow, checkAllow } from "../auth/allow.ts";
import type { PeerName } from "../auth/peer.ts";
import type { Routes } from "../call/routes.ts";

/** One service to be served: its descriptor, a handler per RPC, and who may call which. */
export interface ServiceBinding<D extends DescService = DescService> {
  readonly desc: D;
  readonly routes: Routes<D>;
  readonly allow: Allow<D>;
  /**
   * Methods that a service peer may call without naming a tenant. All others refuse such a call,
   * so that no handler ever reads or writes under an empty tenant.
   */
  readonly tenantless?: readonly (keyof D["method"] & string)[];
}

/** A service with its own descriptor type forgotten, so that several stand in one list. */
export interface AnyServiceBinding {
  readonly desc: DescService;
  readonly routes: Readonly<Record<string, unknown>>;
  readonly allow: Readonly<Record<string, readonly PeerName[]>>;
  readonly tenantless: readonly string[];
}

/** Checks one service against its own types, and against itself at start-up. */
export function service<D extends DescService>(binding: ServiceBinding<D>): AnyServiceBinding {
  checkAllow(binding.desc, binding.allow);
  return {
    desc: binding.desc,
    routes: binding.routes,
    allow: binding.allow,
    tenantless: binding.tenantless ?? [],
  };
}

/** One method with all that is needed to serve it. */
export interface MethodBinding {
  readonly method: DescMethod;
  readonly handler: unknown;
  readonly allow: readonly PeerName[];
  readonly needsTenant: boolean;
}

/** @throws if a handler is missing, which the types already exclude for typed callers. */
export function methodBindings(binding: AnyServiceBinding): MethodBinding[] {
  return binding.desc.methods.map((method) => {
    const handler = binding.routes[method.localName];
    if (typeof handler !== "function") {
      throw new Error(`${binding.desc.typeName}: no handler for ${method.localName}`);
    }
    return {
      method,
      handler: handler.bind(binding.routes) as unknown,
      allow: binding.allow[method.localName] ?? [],
      needsTenant: !binding.tenantless.includes(method.localName),
    };
  });
}
