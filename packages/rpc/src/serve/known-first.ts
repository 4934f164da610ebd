import type { DescMethod } from "@bufbuild/protobuf";
import {
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
} from "@grpc/grpc-js";
import { refusedCall } from "../call/refused-call.ts";
import { first } from "../metadata/caller.ts";
import { METADATA } from "../metadata/names.ts";
import type { CallGate } from "./call-gate.ts";
import { grpcStatus } from "./grpc-status.ts";

/**
 * Of whom the authenticator does not know nothing is read: grpc-js has a unary request whole before a handler
 * could ask for whom it is. Where it cannot tell beforehand, and for health and reflection, all passes.
 */
export function knownFirst(
  gate: Pick<CallGate, "authenticator" | "hooks">,
  methods: ReadonlyMap<string, DescMethod>,
): ServerInterceptor {
  const { authenticator } = gate;
  return ({ path }, call) => {
    const method = methods.get(path);
    if (method === undefined || authenticator.knows === undefined) {
      return call as ServerInterceptingCall;
    }
    const refuse = (refusal: unknown): void => {
      call.sendStatus(grpcStatus(refusedCall(gate, method, refusal, "grpc").status));
    };
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, pass) => {
        const shown = first(metadata, METADATA.authorization) || undefined;
        authenticator
          .knows?.(shown)
          .then(() => pass(metadata))
          .catch(refuse);
      })
      .build();
    return new ServerInterceptingCall(call, { start: (next) => next(listener) });
  };
}
