import type { MessageInitShape } from "@bufbuild/protobuf";
import type { GetCallerResponseSchema } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import type { CallContext } from "@lanekeeper/rpc";

/** Tells whom the credential of this call stands for. */
export async function getCaller(
  _request: unknown,
  call: CallContext,
): Promise<MessageInitShape<typeof GetCallerResponseSchema>> {
  return {
    tenant: call.tenant,
    principal: call.principal,
    scopes: [...call.scopes],
    agentIds: [...call.agents],
    sessionKeyPrefixes: [...call.keyPrefixes],
  };
}
