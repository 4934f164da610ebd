import type { DescMethod } from "@bufbuild/protobuf";
import type { ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import { rawBytes } from "../codec.ts";
import type { CallGate } from "./call-gate.ts";
import { bidiMethod, serverStreamMethod } from "./serve-stream.ts";
import { unaryMethod } from "./serve-unary.ts";
import { type AnyServiceBinding, type MethodBinding, methodBindings } from "./service-binding.ts";

/** A service as grpc-js takes it, derived from the protobuf-es descriptor. */
export interface GrpcService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

export function grpcService(gate: CallGate, binding: AnyServiceBinding): GrpcService {
  const bindings = methodBindings(binding);
  return {
    definition: Object.fromEntries(
      bindings.map(({ method }) => [method.localName, methodDefinition(method)]),
    ),
    implementation: Object.fromEntries(
      bindings.map((each) => [each.method.localName, implement(gate, each)]),
    ),
  };
}

/** The path and the shape of a method; its messages stay bytes, see codec.ts. */
function methodDefinition(method: DescMethod) {
  const kind = method.methodKind;
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: kind === "client_streaming" || kind === "bidi_streaming",
    responseStream: kind === "server_streaming" || kind === "bidi_streaming",
    requestSerialize: rawBytes,
    requestDeserialize: rawBytes,
    responseSerialize: rawBytes,
    responseDeserialize: rawBytes,
  };
}

function implement(gate: CallGate, binding: MethodBinding) {
  switch (binding.method.methodKind) {
    case "unary":
      return unaryMethod(gate, binding);
    case "server_streaming":
      return serverStreamMethod(gate, binding);
    case "bidi_streaming":
      return bidiMethod(gate, binding);
    case "client_streaming":
      throw new Error(`${binding.method.name}: client streaming is not served, use bidi streaming`);
  }
}
