import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { exchangeHandler } from "@lanekeeper/rpc";
import type { IdentityContext } from "../context.ts";
import { storeError } from "../engine/engine.ts";
import { ALLOW } from "./allow.ts";
import { applyKeyPolicies } from "./apply-key-policies.ts";
import { beginRun } from "./begin-run.ts";
import { checkFence } from "./check-fence.ts";
import { eraseKey } from "./erase-key.ts";
import { explainKey } from "./explain-key.ts";
import { getErasure } from "./get-erasure.ts";
import { getKeyPolicies } from "./get-key-policies.ts";
import { getSession } from "./get-session.ts";
import type { IdentityRoutes } from "./handler.ts";
import { listErasures } from "./list-erasures.ts";
import { listErasuresToDo } from "./list-erasures-to-do.ts";
import { listJournal } from "./list-journal.ts";
import { listRotations } from "./list-rotations.ts";
import { listSessions } from "./list-sessions.ts";
import { linkPeer } from "./link-peer.ts";
import { mergeSessions } from "./merge-sessions.ts";
import { normalizeKey } from "./normalize-key.ts";
import { raiseFences } from "./raise-fences.ts";
import { registerAlias } from "./register-alias.ts";
import { registerEquivalence } from "./register-equivalence.ts";
import { registerKey } from "./register-key.ts";
import { removeAlias } from "./remove-alias.ts";
import { reportErasure } from "./report-erasure.ts";
import { resolveSession } from "./resolve-session.ts";
import { rotateSession } from "./rotate-session.ts";
import { watchSessions } from "./watch-sessions.ts";
import { writeLifecycle } from "./write-lifecycle.ts";

/** A handler for every RPC. Those on the path of a turn also come as frames of Exchange. */
export function identityRoutes(context: IdentityContext): IdentityRoutes {
  const unary: Unary = {
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
    registerKey: registerKey(context),
    applyKeyPolicies: applyKeyPolicies(context),
    getKeyPolicies: getKeyPolicies(context),
    registerEquivalence: registerEquivalence(context),
    registerAlias: registerAlias(context),
    removeAlias: removeAlias(context),
    linkPeer: linkPeer(context),
    mergeSessions: mergeSessions(context),
    eraseKey: eraseKey(context),
    getErasure: getErasure(context),
    listErasures: listErasures(context),
    listErasuresToDo: listErasuresToDo(context),
    reportErasure: reportErasure(context),
    raiseFences: raiseFences(context),
  };
  const routes = { ...stored(unary), watchSessions: watchSessions(context) };
  const exchange = exchangeHandler({ desc: SessionIdentityService, routes, allow: ALLOW });
  return { ...routes, exchange };
}

type Unary = Omit<IdentityRoutes, "exchange" | "watchSessions">;
type Handler = (request: never, call: never) => Promise<unknown>;

/** A database that cannot be asked is STORE_UNAVAILABLE, whatever it was to be asked for. */
function stored(routes: Unary): Unary {
  const answering = (handler: Handler): Handler => {
    return async (request, call) => {
      try {
        return await handler(request, call);
      } catch (error) {
        throw storeError(error);
      }
    };
  };
  const entries = Object.entries<Handler>(routes as Readonly<Record<string, Handler>>);
  return Object.fromEntries(
    entries.map(([name, handler]) => [name, answering(handler)]),
  ) as unknown as Unary;
}
