import { agentOf } from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import { askerOf, checkAgent } from "../names/caller.ts";
import { decided } from "./decided.ts";
import type { IdentityRoutes } from "./handler.ts";
import { rotateCommand } from "./parse/rotate.ts";
import { showActiveRun, showFence, showRotation } from "./show/session.ts";

export function rotateSession(context: IdentityContext): IdentityRoutes["rotateSession"] {
  return async (request, call) => {
    const { requestId, fingerprint, command } = rotateCommand(request);
    const { sessionKey } = command;
    checkAgent(agentOf(sessionKey), call.agents);
    const result = await context.engine.submit<"rotate">(
      {
        ...{ tenant: call.tenant, sessionKey, asker: askerOf(call) },
        ask: { kind: "rotate", command, requestId, fingerprint },
      },
      call.signal,
    );
    const answer = decided(context, call, "rotate", { session_key: sessionKey }, result);
    const { rotation, fence, endedRun } = answer;
    return {
      rotation: showRotation(rotation),
      ...(fence === undefined ? {} : { fence: showFence(fence) }),
      ...(endedRun === undefined ? {} : { endedRun: showActiveRun(endedRun) }),
    };
  };
}
