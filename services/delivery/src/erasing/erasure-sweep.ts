import type { IdentityClient } from "@lanekeeper/client";
import { isUnavailable } from "@lanekeeper/postgres";
import type { Erasure } from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import { isRetryable, isUnimplemented } from "@lanekeeper/rpc";
import type { Clock, Log } from "@lanekeeper/service";
import type { Limits } from "../limits.ts";
import { erase, type EraseDeps } from "./erase.ts";

export interface ErasureDeps extends EraseDeps {
  readonly identity: Pick<IdentityClient, "listErasuresToDo" | "reportErasure">;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly log: Log;
  readonly limits: EraseDeps["limits"] & Pick<Limits, "erasuresPerPage" | "erasuresPerSweep">;
}

/**
 * Removes what is to be erased, as session-identity lists it, and tells when nothing of it is left. A look goes
 * through the list from where the one before has ended. Any number of replicas do so at the same time. While
 * session-identity is away, or is of the release before, nothing is done: what was asked for stands there.
 */
export function erasureSweep(deps: ErasureDeps): (signal: AbortSignal) => Promise<void> {
  const { identity, clock, log, limits } = deps;
  let after = "";
  return async (signal) => {
    try {
      for (let looked = 0; looked < limits.erasuresPerSweep && !signal.aborted; ) {
        const readAtMs = clock.monotonicMs();
        const request = { pageSize: limits.erasuresPerPage, afterErasureId: after };
        const { erasures } = await identity.listErasuresToDo(request, { signal });
        if (erasures.length === 0) {
          after = "";
          return;
        }
        for (const erasure of erasures) {
          await look(deps, erasure, () => clock.monotonicMs() - readAtMs, signal);
          after = erasure.erasureId;
        }
        looked += erasures.length;
      }
    } catch (err) {
      if (!isAway(err)) throw err;
      log.debug({ err }, "session-identity tells of no erasures now");
    }
  };
}

/** It does not answer, or is of a release that knows of no erasures. */
function isAway(error: unknown): boolean {
  return isRetryable(error) || isUnimplemented(error);
}

/** One that fails holds up no other; while the database or session-identity is away all would. */
async function look(
  deps: ErasureDeps,
  erasure: Erasure,
  ageMs: () => number,
  signal: AbortSignal,
): Promise<void> {
  const { tenant, erasureId: erasure_id } = erasure;
  try {
    await removeAndTell(deps, erasure, ageMs, signal);
  } catch (err) {
    if (signal.aborted || isAway(err) || isUnavailable(err)) throw err;
    deps.log.error(
      { err, tenant, erasure_id },
      "an erasure could not be looked at; the next look follows",
    );
  }
}

/** By what the list told before the look: keys that the runner has found since are looked at the next time. */
async function removeAndTell(
  deps: ErasureDeps,
  erasure: Erasure,
  ageMs: () => number,
  signal: AbortSignal,
): Promise<void> {
  const { tenant, erasureId, settled, runnerTime } = erasure;
  const { replies, routes, left } = await erase(deps, erasure, ageMs, signal);
  const isTold = replies + routes > 0 || (settled && left > 0);
  const level = isTold ? "info" : "debug";
  const fields = { tenant, erasure_id: erasureId, replies, routes, left };
  deps.log[level](fields, "an erasure was looked at");
  if (left > 0 || !settled || runnerTime === undefined) return;
  await deps.identity.reportErasure({ erasureId, done: true }, { tenant, signal });
}
