import {
  type MergeSessionsRequest,
  MergeSessionsRequestSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { invalid } from "@lanekeeper/rpc";
import { type MergeCommand, mergeSessions as merge } from "../acts/merge-sessions.ts";
import type { IdentityContext } from "../context.ts";
import { askerOf, checkBounds } from "../names/caller.ts";
import { decided } from "./decided.ts";
import type { IdentityRoutes } from "./handler.ts";
import { fingerprint } from "./parse/fingerprint.ts";
import { sessionKey } from "./parse/key.ts";
import { note, requestId } from "./parse/text.ts";
import { showSession } from "./show/session.ts";

export function mergeSessions(context: IdentityContext): IdentityRoutes["mergeSessions"] {
  return async (request, call) => {
    const command = parse(request);
    for (const key of [command.loser, command.survivor]) checkBounds(key, call);
    const actor = { tenant: call.tenant, asker: askerOf(call) };
    const result = await merge(context, actor, command);
    const about = { session_key: command.loser };
    const { merged, survivor } = decided(context, call, "merge", about, result);
    return { merged, survivor: showSession(survivor) };
  };
}

function parse(request: MergeSessionsRequest): MergeCommand {
  const loser = sessionKey("session_key", request.sessionKey);
  const survivor = sessionKey("survivor_session_key", request.survivorSessionKey);
  if (loser === survivor) throw invalid("survivor_session_key", "is the key that moves");
  return {
    requestId: requestId(request.requestId),
    fingerprint: fingerprint(MergeSessionsRequestSchema, request),
    loser,
    survivor,
    interruptActiveRun: request.interruptActiveRun,
    note: note(request.note),
  };
}
