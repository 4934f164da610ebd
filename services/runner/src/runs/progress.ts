import { ProgressPhase } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { inTrace } from "@lanekeeper/service";
import { LIMITS } from "../limits.ts";
import { type RoutedTurn, waitingRoutes } from "../store/outbox/waiting-routes.ts";
import type { RunnerDeps } from "../deps.ts";

export type ProgressDeps = Pick<RunnerDeps, "db" | "delivery" | "clock" | "log">;

/** A run whose people want to see that something happens. */
export interface ProgressOf extends RoutedTurn {
  readonly tenant: string;
  /** Of who tells: the run, also where it tells of those behind it. */
  readonly traceparent: string;
}

/** A turn as people are shown its progress, under the session that it has or is to have. */
export function progressOf(
  turn: Omit<ProgressOf, "sessionId" | "generation">,
  { sessionId, generation }: Pick<ProgressOf, "sessionId" | "generation">,
): ProgressOf {
  return {
    tenant: turn.tenant,
    principal: turn.principal,
    requestId: turn.requestId,
    traceparent: turn.traceparent,
    sessionKey: turn.sessionKey,
    sessionId,
    generation,
    turnId: turn.turnId,
    routeId: turn.routeId,
  };
}

/**
 * Tells delivery what a turn does, for people who wait where its reply will go. Nobody waits for it, it is
 * not repeated, and its failure is nobody's: a hint that is lost is followed by the next one.
 */
export function showProgress(
  { delivery, log }: Pick<ProgressDeps, "delivery" | "log">,
  turn: ProgressOf,
  phase: ProgressPhase,
): void {
  const { tenant, principal, requestId, sessionKey, sessionId, generation, turnId, routeId } = turn;
  if (routeId === "") return;
  const hint = { session: { sessionKey, sessionId, generation }, turnId, routeId, phase };
  const timeoutMs = LIMITS.progressMs;
  const call = { tenant, principal, requestId, within: turn, timeoutMs, retry: false } as const;
  delivery.showProgress(hint, call).catch((err: unknown) => {
    inTrace(log, turn.traceparent).debug({ err, turn_id: turnId }, "a hint was not taken");
  });
}

/**
 * While a run goes on: shows at once, and again and again, that its own turn runs and that those behind it
 * wait. A run that is over before the second time costs one call, and none without a route.
 */
export class Progress {
  readonly #deps: ProgressDeps;
  readonly #turn: ProgressOf;
  #timer: { cancel(): void } | undefined;
  #stopped = false;

  constructor(deps: ProgressDeps, turn: ProgressOf) {
    this.#deps = deps;
    this.#turn = turn;
    showProgress(deps, turn, ProgressPhase.RUNNING);
    this.#schedule();
  }

  /** No more hints; what is under way is left to itself. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #schedule(): void {
    this.#timer = this.#deps.clock.setTimer(LIMITS.progressEveryMs, () => void this.#tick());
  }

  async #tick(): Promise<void> {
    const { db, log } = this.#deps;
    const { tenant, traceparent, sessionKey } = this.#turn;
    showProgress(this.#deps, this.#turn, ProgressPhase.RUNNING);
    try {
      const waiting = await waitingRoutes(db, tenant, sessionKey, LIMITS.progressWaiting);
      // It may have ended meanwhile; what waited may run.
      if (this.#stopped) return;
      for (const turn of waiting) {
        const isOwn = turn.routeId === this.#turn.routeId;
        if (isOwn) continue;
        showProgress(this.#deps, { tenant, traceparent, ...turn }, ProgressPhase.QUEUED);
      }
    } catch (err) {
      log.debug({ err }, "who waits could not be read for hints");
    }
    if (!this.#stopped) this.#schedule();
  }
}
