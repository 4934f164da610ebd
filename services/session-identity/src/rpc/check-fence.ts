import type { CheckFenceRequest } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { invalid } from "@lanekeeper/rpc";
import type { IdentityContext } from "../context.ts";
import { judgeReply } from "../domain/judge-reply.ts";
import { judgeRun } from "../domain/judge-run.ts";
import type { StandingKey } from "../domain/key-state.ts";
import { isRefusal, type Refusal } from "../domain/refusal.ts";
import { withCause } from "../engine/run-batch.ts";
import type { KeyFound } from "../store/keys/read-keys.ts";
import { readCauses } from "../store/keys/read-causes.ts";
import { decided, type DecisionFields, fenceFields } from "./decided.ts";
import type { IdentityRoutes } from "./handler.ts";
import { fence, replyFence } from "./parse/fence.ts";
import { showSession } from "./show/session.ts";

export function checkFence(context: IdentityContext): IdentityRoutes["checkFence"] {
  return async (request, call) => {
    const { sessionKey, runId, judge, about } = parse(request);
    const { tenant } = call;
    const judged = judge(await context.reads.key({ tenant, sessionKey, runId }, call.abortState));
    const result = isRefusal(judged)
      ? await explained(context, tenant, sessionKey, judged)
      : judged;
    return { session: showSession(decided(context, call, "check_fence", about, result)) };
  };
}

interface Question {
  readonly sessionKey: StandingKey["sessionKey"];
  readonly runId: string | undefined;
  readonly about: DecisionFields;
  readonly judge: (found: KeyFound) => StandingKey | Refusal;
}

function parse({ writer }: CheckFenceRequest): Question {
  if (writer.case === "run") {
    const shown = fence("run", writer.value);
    const { sessionKey, runId } = shown;
    const about = fenceFields(shown);
    return { sessionKey, runId, about, judge: ({ state, run }) => judgeRun(state, run, shown) };
  }
  if (writer.case === "reply") {
    const shown = replyFence("reply", writer.value);
    const { sessionKey } = shown;
    const about = fenceFields(shown);
    return { sessionKey, runId: undefined, about, judge: ({ state }) => judgeReply(state, shown) };
  }
  throw invalid("writer", "run or reply is required");
}

/** The same refusal that a write would get, with the rotation that caused it. */
async function explained(
  { db }: IdentityContext,
  tenant: string,
  sessionKey: string,
  refusal: Refusal,
): Promise<Refusal> {
  const query = refusal.stale?.causeQuery;
  if (query === undefined) return refusal;
  const [cause] = await readCauses(db, [{ tenant, sessionKey, query }]);
  return cause === undefined ? refusal : withCause(refusal, cause);
}
