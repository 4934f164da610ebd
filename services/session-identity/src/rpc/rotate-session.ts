import { isOutside } from "@lanekeeper/rpc";
import type { CallContext } from "@lanekeeper/rpc";
import type { CanonicalKey } from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import type { RotateCommand } from "../domain/rotate.ts";
import { askerOf, checkBounds } from "../names/caller.ts";
import { decided, type DecisionFields, fenceFields } from "./decided.ts";
import type { IdentityRoutes } from "./handler.ts";
import { rotateCommand } from "./parse/rotate.ts";
import { visibleSession } from "./visible.ts";
import { showActiveRun, showFence, showRotation } from "./show/session.ts";

export function rotateSession(context: IdentityContext): IdentityRoutes["rotateSession"] {
  return async (request, call) => {
    const { requestId, fingerprint, command } = rotateCommand(request);
    const { sessionKey } = command;
    checkBounds(sessionKey, call);
    if (isOutside(call)) await checkTold(context, call, sessionKey);
    const result = await context.engine.submit<"rotate">(
      {
        ...{ tenant: call.tenant, sessionKey, asker: askerOf(call) },
        ask: { kind: "rotate", command, requestId, fingerprint },
      },
      call.abortState,
    );
    const answer = decided(context, call, "rotate", aboutOf(command), result);
    const { rotation, fence, endedRun } = answer;
    return {
      rotation: showRotation(rotation),
      ...(fence === undefined ? {} : { fence: showFence(fence) }),
      ...(endedRun === undefined ? {} : { endedRun: showActiveRun(endedRun) }),
    };
  };
}

function aboutOf({ sessionKey, precondition }: RotateCommand): DecisionFields {
  if (precondition.kind === "owner") return fenceFields(precondition.fence);
  const generation = precondition.kind === "generation" ? precondition.expected : undefined;
  return { session_key: sessionKey, generation };
}

/** An internal session is not there for those who are never told of it. */
async function checkTold(
  { reads }: IdentityContext,
  call: CallContext,
  sessionKey: CanonicalKey,
): Promise<void> {
  const { state } = await reads.key(
    { tenant: call.tenant, sessionKey, runId: undefined },
    call.abortState,
  );
  visibleSession(state, call, sessionKey);
}
