import type { DescService } from "@bufbuild/protobuf";
import type { Server, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { reflectionOf } from "./reflection.ts";

interface EndableCall {
  on(event: "close", listener: () => void): unknown;
  end?(): unknown;
}

/**
 * Health (grpc.health.v1) and reflection (v1, v1alpha). Both are open to anybody, since probes and
 * grpcurl have no credential and learn nothing of a tenant. Their streams would hold a shutdown up
 * for as long as their clients like, so they are remembered and ended.
 */
export class BuiltinServices {
  readonly #health: HealthImplementation;
  readonly #names: readonly string[];
  readonly #streams = new Set<EndableCall>();

  constructor(server: Server, services: readonly DescService[]) {
    this.#names = ["", ...services.map((desc) => desc.typeName)];
    this.#health = new HealthImplementation();
    this.setServing(true);
    const addService = this.#addTo(server);
    this.#health.addToServer({ addService });
    for (const { definition, implementation } of reflectionOf(services))
      addService(definition, implementation);
  }

  /** Answers for the server as a whole ("") and for each of its services. */
  setServing(serving: boolean): void {
    for (const name of this.#names) {
      this.#health.setStatus(name, serving ? "SERVING" : "NOT_SERVING");
    }
  }

  endStreams(): void {
    for (const stream of this.#streams) stream.end?.();
  }

  #addTo(server: Server) {
    return (definition: unknown, implementation: object): void => {
      const remembering = Object.entries(implementation).map(([name, handler]) => [
        name,
        (call: EndableCall, ...rest: unknown[]) => {
          this.#remember(call);
          return (handler as (...args: unknown[]) => unknown)(call, ...rest);
        },
      ]);
      server.addService(
        definition as ServiceDefinition,
        Object.fromEntries(remembering) as UntypedServiceImplementation,
      );
    };
  }

  #remember(call: EndableCall): void {
    if (call.end === undefined) return;
    this.#streams.add(call);
    call.on("close", () => this.#streams.delete(call));
  }
}
