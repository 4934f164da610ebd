import { type CallContext, peerName, permissionDenied } from "@lanekeeper/rpc";
import type { IdentityContext } from "../context.ts";
import { LIMITS } from "../limits.ts";
import { erasuresToDo, type Holder } from "../store/erasures/read-erasures.ts";
import type { IdentityRoutes } from "./handler.ts";
import { pageSize } from "./parse/page.ts";
import { optionalUuid } from "./parse/text.ts";
import { showErasure, thatFit } from "./show/erasure.ts";

export function listErasuresToDo({ db }: IdentityContext): IdentityRoutes["listErasuresToDo"] {
  return async (request, call) => {
    const limit = pageSize(request.pageSize, LIMITS.maxErasuresToDo);
    const after = optionalUuid("after_erasure_id", request.afterErasureId);
    const found = await erasuresToDo(db, holderOf(call), after, limit);
    return { erasures: thatFit(found).map((one) => showErasure(one)) };
  };
}

/** @throws PERMISSION_DENIED for who holds nothing of what was said */
export function holderOf(call: CallContext): Holder {
  const peer = peerName(call.peer);
  if (peer === "runner" || peer === "delivery") return peer;
  throw permissionDenied(`${peer} holds nothing that is erased`, { peer });
}
