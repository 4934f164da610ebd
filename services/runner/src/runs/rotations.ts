import type { Session } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { SessionMerged } from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import { hasReason } from "@lanekeeper/rpc";
import { backoffMs } from "@lanekeeper/service";
import type { RunnerDeps } from "../deps.ts";
import type { LocalRuns } from "./local-runs.ts";

const BACKOFF = { baseMs: 200, maxMs: 10_000 };

type WatchDeps = Pick<RunnerDeps, "identity" | "clock" | "log">;

/**
 * Follows session-identity's feed of all tenants. It is a hint: when the key of a run of ours changed
 * its generation and is not that run's any more, the run asks at once whether it may still write, and
 * the fence decides. Without the feed the next heartbeat finds the same.
 */
export async function watchRotations(
  deps: WatchDeps,
  runs: LocalRuns,
  { onRotated, onMerged }: Listeners,
  signal: AbortSignal,
): Promise<void> {
  let resumeToken = "";
  for (let failures = 0; !signal.aborted; ) {
    try {
      const feed = deps.identity.watchSessions(
        { resumeToken, skipSnapshot: resumeToken === "", rotationsOnly: true },
        { signal },
      );
      for await (const message of feed) {
        failures = 0;
        if (message.resumeToken !== "") resumeToken = message.resumeToken;
        const { event } = message;
        if (event.case === "changed") {
          hint(runs, message.tenant, event.value);
          if (event.value.activeRun === undefined) onRotated(message.tenant, event.value);
        }
        if (event.case === "merged") {
          checkKey(runs, message.tenant, event.value.sessionKey);
          onMerged(message.tenant, event.value);
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (hasReason(error, "RESUME_TOKEN_EXPIRED", "SLOW_CONSUMER")) resumeToken = "";
      deps.log.warn({ err: error }, "the watch of sessions broke off");
    }
    failures += 1;
    // What happened while nobody watched is asked for by the heartbeats.
    await deps.clock.sleep(backoffMs(failures, BACKOFF) + 1, signal).catch(() => undefined);
  }
}

/** Told of sessions that no run holds. */
export type OnRotated = (tenant: string, session: Session) => void;

/** Told of keys that were merged into others. */
export type OnMerged = (tenant: string, merged: SessionMerged) => void;

export interface Listeners {
  readonly onRotated: OnRotated;
  readonly onMerged: OnMerged;
}

function hint(runs: LocalRuns, tenant: string, { ref, activeRun }: Session): void {
  if (ref === undefined) return;
  for (const run of runs.ofKey(tenant, ref.sessionKey)) {
    const isNewer = run.generation !== undefined && ref.generation > run.generation;
    if (isNewer && activeRun?.runId !== run.runId) run.check();
  }
}

function checkKey(runs: LocalRuns, tenant: string, sessionKey: string): void {
  for (const run of runs.ofKey(tenant, sessionKey)) run.check();
}
