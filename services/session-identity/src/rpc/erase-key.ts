import {
  type EraseKeyRequest,
  EraseKeyRequestSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { type CallContext, isOutside, notFound } from "@lanekeeper/rpc";
import { type EraseCommand, eraseKey as erase } from "../acts/erase-key.ts";
import type { IdentityContext } from "../context.ts";
import { askerOf, checkBounds } from "../names/caller.ts";
import { decided } from "./decided.ts";
import type { IdentityRoutes } from "./handler.ts";
import { readShown } from "./get-erasure.ts";
import { fingerprint } from "./parse/fingerprint.ts";
import { sessionKey } from "./parse/key.ts";
import { note, optionalPositive, requestId } from "./parse/text.ts";

export function eraseKey(context: IdentityContext): IdentityRoutes["eraseKey"] {
  return async (request, call) => {
    const command = parse(request, call);
    checkBounds(command.sessionKey, call);
    const actor = { tenant: call.tenant, asker: askerOf(call) };
    const result = await erase(context, actor, command);
    const about = { session_key: command.sessionKey, generation: command.expectedGeneration };
    const { erasureId } = decided(context, call, "erase", about, result);
    return { erasure: await readShown(context, call.tenant, erasureId, call) };
  };
}

function parse(request: EraseKeyRequest, call: CallContext): EraseCommand {
  const key = sessionKey("session_key", request.sessionKey);
  return {
    requestId: requestId(request.requestId),
    fingerprint: fingerprint(EraseKeyRequestSchema, request),
    sessionKey: key,
    expectedGeneration: optionalPositive("expected_generation", request.expectedGeneration),
    note: note(request.note),
    // A key that leads there may be another's name.
    checkKey: (state) => {
      checkBounds(state.sessionKey, call);
      if (state.internal && isOutside(call)) throw notFound("session", key);
    },
  };
}
