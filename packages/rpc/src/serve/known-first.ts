import type { DescMethod } from "@bufbuild/protobuf";
import {
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
} from "@grpc/grpc-js";
import { failedAnswer } from "../call/answer.ts";
import { methodName } from "../call/call-context.ts";
import { first } from "../metadata/caller.ts";
import { METADATA } from "../metadata/names.ts";
import { reportCall } from "../telemetry/hooks.ts";
import type { CallGate } from "./call-gate.ts";
import { grpcStatus } from "./grpc-status.ts";

/**
 * Of whom the authenticator does not know nothing is read: grpc-js has a unary request whole before a handler
 * could ask for whom it is. Where it cannot tell beforehand, and for health and reflection, all passes.
 */
export function knownFirst(
  { authenticator, hooks }: Pick<CallGate, "authenticator" | "hooks">,
  methods: ReadonlyMap<string, DescMethod>,
): ServerInterceptor {
  return ({ path }, call) => {
    const method = methods.get(path);
    if (method === undefined || authenticator.knows === undefined) {
      return call as ServerInterceptingCall;
    }
    const refuse = (refusal: unknown): void => {
      const failed = failedAnswer(refusal, hooks, methodName(method), undefined);
      const where = { side: "server", transport: "grpc", durationMs: 0, peer: "" } as const;
      reportCall(hooks, method, where, failed.error);
      call.sendStatus(grpcStatus(failed.status));
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
