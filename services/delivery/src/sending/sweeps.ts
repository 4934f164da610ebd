import type { IdentityClient } from "@lanekeeper/client";
import { analyzeOutgrown } from "@lanekeeper/postgres";
import type { Clock } from "@lanekeeper/service";
import type { DeliveryMetrics } from "../metrics.ts";
import { erasureSweep } from "../erasing/erasure-sweep.ts";
import type { Limits } from "../limits.ts";
import { countBlocked, readBacklog } from "../store/deliveries/backlog.ts";
import { removeExpired } from "../store/retention.ts";
import { sweepUntold } from "../store/sending/untold.ts";
import { forgetGoneKeys } from "./forget-gone-keys.ts";
import type { Sweep } from "./sweeper.ts";
import { type TellDeps, tellOutcomes } from "./tell-outcomes.ts";

export interface SweepDeps extends TellDeps {
  readonly identity: Pick<
    IdentityClient,
    "getSession" | "writeLifecycle" | "listErasuresToDo" | "reportErasure"
  >;
  readonly limits: Limits;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly metrics: Pick<DeliveryMetrics, "backlog" | "blocked">;
}

/** Tables that the statements of every reply look into; these are planned once a connection. */
const REPLY_TABLES = ["routes", "deliveries", "attempts"];

/** What delivery does beside sending. */
export function sweeps(deps: SweepDeps): readonly Sweep[] {
  const { db, limits, metrics } = deps;
  return [
    { name: "outcomes", everyMs: limits.reportSweepMs, run: (signal) => tellOld(deps, signal) },
    {
      name: "backlog",
      everyMs: limits.backlogMs,
      run: async () => {
        metrics.backlog(await readBacklog(db, limits.backlogRows));
        metrics.blocked(await countBlocked(db, limits.backlogRows));
      },
    },
    {
      name: "statistics",
      everyMs: limits.statisticsEveryMs,
      run: async () => void (await analyzeOutgrown(db, REPLY_TABLES)),
    },
    {
      name: "retention",
      everyMs: limits.retentionSweepMs,
      run: async (signal) => {
        while (!signal.aborted && (await removeExpired(db, limits)));
      },
    },
    {
      name: "gone keys",
      everyMs: limits.retentionSweepMs,
      run: (signal) => forgetGoneKeys(deps, signal),
    },
    { name: "erasures", everyMs: limits.erasureSweepMs, run: erasureSweep(deps) },
  ];
}

/** The first that cannot be told ends the sweep: session-identity is away, and the next sweep comes. */
async function tellOld(deps: SweepDeps, signal: AbortSignal): Promise<void> {
  const { reportSweepMs, reportBatch } = deps.limits;
  for (const name of await sweepUntold(deps.db, reportSweepMs, reportBatch)) {
    if (signal.aborted || !(await tellOutcomes(deps, name))) return;
  }
}
