import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { agentOf } from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import { askerOf } from "../names/caller.ts";
import { decided } from "./decided.ts";
import type { IdentityRoutes } from "./handler.ts";
import { beginCommand } from "./parse/lifecycle.ts";
import { showActiveRun, showFence, showRotation, showSession } from "./show/session.ts";

export function beginRun(context: IdentityContext): IdentityRoutes["beginRun"] {
  return async (request, call) => {
    const command = beginCommand(request);
    const { sessionKey, admittedGeneration: generation, turnId, runId } = command;
    const result = await context.engine.submit<"begin">(
      {
        tenant: call.tenant,
        sessionKey,
        asker: askerOf(call),
        ask: { kind: "begin", command, agentId: agentOf(sessionKey) },
      },
      call.abortState,
    );
    const about = { session_key: sessionKey, generation, turn_id: turnId, run_id: runId };
    const answer = decided(context, call, "begin_run", about, result);
    const { takenOver, rolledOver } = answer;
    return {
      fence: showFence(answer.fence),
      leaseDuration: durationFromMs(answer.leaseMs),
      ...(takenOver === undefined ? {} : { takenOver: showActiveRun(takenOver) }),
      ...(rolledOver === undefined ? {} : { rolledOver: showRotation(rolledOver) }),
      session: showSession(answer.state),
    };
  };
}
