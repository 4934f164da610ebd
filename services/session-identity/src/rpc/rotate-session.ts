import { isOutside } from "@lanekeeper/rpc";
import type { CallContext } from "@lanekeeper/rpc";
import { type CanonicalKey, isBound, isKeyWithin } from "@lanekeeper/session-key";
import type { IdentityContext } from "../context.ts";
import { noSource, type RotateCommand } from "../domain/rotate.ts";
import { askerOf, checkBounds } from "../names/caller.ts";
import { findGeneration } from "../store/keys/find-generation.ts";
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
    await checkSource(context, call, command);
    const result = await context.engine.submit<"rotate">(
      {
        tenant: call.tenant,
        sessionKey,
        asker: askerOf(call),
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

/**
 * Whose history is taken is told of: a source that the caller may not know of is like one that never was.
 * @throws NOT_FOUND
 */
async function checkSource(
  context: IdentityContext,
  call: CallContext,
  command: RotateCommand,
): Promise<void> {
  const { sourceSessionId } = command;
  if (sourceSessionId === undefined || !(isBound(call) || isOutside(call))) return;
  const found = await findGeneration(context.db, call.tenant, sourceSessionId);
  // Of one that is not there the rotation itself says so, unless it is a repeat.
  if (found === undefined) return;
  const { sessionKey } = found;
  const { tenant } = call;
  const wanted = { tenant, sessionKey, runId: undefined };
  const { state } = await context.reads.key(wanted, call.abortState);
  const isHidden = state?.internal === true && isOutside(call);
  if (!isHidden && isKeyWithin(sessionKey, call)) return;
  decided(context, call, "rotate", aboutOf(command), noSource(sourceSessionId));
}
