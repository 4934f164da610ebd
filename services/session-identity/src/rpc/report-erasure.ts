import type { ErasedKey as ProtoErasedKey } from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import { invalid, permissionDenied } from "@lanekeeper/rpc";
import { mintedAtMs } from "@lanekeeper/session-key";
import { reportErasure as report } from "../acts/report-erasure.ts";
import type { IdentityContext } from "../context.ts";
import type { ErasedKey } from "../domain/erasure.ts";
import { LIMITS } from "../limits.ts";
import { decided } from "./decided.ts";
import { readShown } from "./get-erasure.ts";
import type { IdentityRoutes } from "./handler.ts";
import { holderOf } from "./list-erasures-to-do.ts";
import { sessionKey } from "./parse/key.ts";
import { uuid } from "./parse/text.ts";

export function reportErasure(context: IdentityContext): IdentityRoutes["reportErasure"] {
  return async (request, call) => {
    const { tenant } = call;
    const holder = holderOf(call);
    const also = keysOfTasks(request.also);
    if (also.length > 0 && holder !== "runner") {
      throw permissionDenied(`${holder} knows of no tasks`, { peer: holder });
    }
    const asked = uuid("erasure_id", request.erasureId);
    const result = await report(context, {
      tenant,
      erasureId: asked,
      holder,
      also,
      done: request.done,
    });
    const erasureId = decided(context, call, "report_erasure", {}, result);
    return { erasure: await readShown(context, tenant, erasureId) };
  };
}

function keysOfTasks(given: readonly ProtoErasedKey[]): readonly ErasedKey[] {
  if (given.length > LIMITS.maxReportedKeys) {
    throw invalid("also", `at most ${LIMITS.maxReportedKeys}`);
  }
  return given.map((one, index) => {
    const key = sessionKey(`also[${index}].session_key`, one.sessionKey);
    if (mintedAtMs(key) === undefined) {
      throw invalid(`also[${index}].session_key`, "is no key that is minted for a task");
    }
    const { throughGeneration } = one;
    if (throughGeneration < 0n) throw invalid(`also[${index}].through_generation`, "at least 0");
    return { sessionKey: key, throughGeneration };
  });
}
