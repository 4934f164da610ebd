import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { Code, exchangeHandler, RpcError } from "@lanekeeper/rpc";
import type { IdentityContext } from "../context.ts";
import { ALLOW } from "./allow.ts";
import { applyKeyPolicies } from "./apply-key-policies.ts";
import { beginRun } from "./begin-run.ts";
import { checkFence } from "./check-fence.ts";
import { explainKey } from "./explain-key.ts";
import { getKeyPolicies } from "./get-key-policies.ts";
import { getSession } from "./get-session.ts";
import type { IdentityRoutes } from "./handler.ts";
import { listJournal } from "./list-journal.ts";
import { listRotations } from "./list-rotations.ts";
import { listSessions } from "./list-sessions.ts";
import { normalizeKey } from "./normalize-key.ts";
import { registerKey } from "./register-key.ts";
import { resolveSession } from "./resolve-session.ts";
import { rotateSession } from "./rotate-session.ts";
import { watchSessions } from "./watch-sessions.ts";
import { writeLifecycle } from "./write-lifecycle.ts";

/** A handler for every RPC. Those on the path of a turn also come as frames of Exchange. */
export function identityRoutes(context: IdentityContext): IdentityRoutes {
  const unimplemented = async () => {
    throw new RpcError(Code.UNIMPLEMENTED, "not served yet");
  };
  const unary: Omit<IdentityRoutes, "exchange"> = {
    resolveSession: resolveSession(context),
    normalizeKey: normalizeKey(context),
    explainKey: explainKey(context),
    rotateSession: rotateSession(context),
    beginRun: beginRun(context),
    writeLifecycle: writeLifecycle(context),
    checkFence: checkFence(context),
    getSession: getSession(context),
    listSessions: listSessions(context),
    listRotations: listRotations(context),
    listJournal: listJournal(context),
    watchSessions: watchSessions(context),
    registerKey: registerKey(context),
    applyKeyPolicies: applyKeyPolicies(context),
    getKeyPolicies: getKeyPolicies(context),
    registerEquivalence: unimplemented,
    registerAlias: unimplemented,
    removeAlias: unimplemented,
    linkPeer: unimplemented,
    mergeSessions: unimplemented,
    raiseFences: unimplemented,
  };
  const exchange = exchangeHandler({ desc: SessionIdentityService, routes: unary, allow: ALLOW });
  return { ...unary, exchange };
}
