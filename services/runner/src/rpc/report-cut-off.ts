import { markCallerGone } from "../store/admission/find-request.ts";
import type { Handler } from "./handler.ts";
import { parseUuid } from "./parse-field.ts";

/** From ingress, which alone knows what was written to whom. */
export const reportCutOff: Handler<"reportCutOff"> =
  ({ deps }) =>
  async ({ turnId }, call) => {
    await markCallerGone(deps.db, call.tenant, parseUuid("turn_id", turnId));
    return {};
  };
