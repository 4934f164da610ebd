import { inTrace } from "@lanekeeper/service";
import type { IdentityContext } from "../context.ts";
import { askerOf } from "../names/caller.ts";
import { raiseFences as raise } from "../store/keys/raise-fences.ts";
import type { IdentityRoutes } from "./handler.ts";
import { note, requestId } from "./parse/text.ts";

/** Goes on when the caller stops waiting: a repeat waits for it, and gets its answer. */
export function raiseFences({ slowDb, log }: IdentityContext): IdentityRoutes["raiseFences"] {
  return async (request, call) => {
    const id = requestId(request.requestId);
    const why = note(request.note);
    const keyCount = await raise(slowDb, id, why, askerOf(call));
    inTrace(log, call.traceparent).warn(
      { key_count: String(keyCount), principal: call.principal },
      "all fences are raised",
    );
    return { keyCount };
  };
}
