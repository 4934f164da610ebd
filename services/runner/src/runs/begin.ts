import { durationFromMs, durationMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type {
  BeginRunResponse,
  TurnClass,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { isRetryable, LanekeeperError } from "@lanekeeper/rpc";
import { backoffMs } from "@lanekeeper/service";
import type { LaneTurn, StoredTurn } from "../store/turn-row.ts";
import { LIMITS } from "../limits.ts";
import type { RunnerDeps } from "../deps.ts";
import type { LocalRun } from "./local-runs.ts";
import { persist } from "../persist.ts";
import { abortCauseOf } from "./run-abort.ts";
import type { Collaborators } from "../collaborators.ts";
import { callFor } from "../turn-fields.ts";
import type { Grant } from "./grant.ts";

/** What came of asking for the key. */
export type BeginResult =
  | { readonly kind: "granted"; readonly grant: Grant }
  /** Another run's lease lives. */
  | { readonly kind: "busy"; readonly retryAfterMs: number }
  /** The turn may not run, for this reason. */
  | { readonly kind: "refused"; readonly error: LanekeeperError }
  /** The run id was used, or may have been; the turn takes another. */
  | { readonly kind: "spent"; readonly error: LanekeeperError }
  /** The key was merged into another. */
  | { readonly kind: "moved" }
  /** The turn is not this run's any more, or the process drains. */
  | { readonly kind: "lost" };

const BACKOFF = { baseMs: 50, maxMs: 2_000 };

/**
 * Asks session-identity for the key until it answers: the call is known by its run_id, so that asking
 * again is safe. Meanwhile the claim is renewed, so that nobody takes it for dead.
 */
export async function begin(
  { deps, agents }: Pick<Collaborators, "deps" | "agents">,
  turn: LaneTurn,
  { runId, signal, log }: Pick<LocalRun, "runId" | "signal" | "log">,
): Promise<BeginResult> {
  const model = await modelToAsk(deps, agents, turn);
  for (let attempt = 0; ; attempt++) {
    try {
      return { kind: "granted", grant: await beginOnce(deps, turn, runId, model) };
    } catch (error) {
      const result = resultOf(error);
      if (result?.kind === "spent") deps.runIds.learn(result.error);
      if (result !== undefined) return result;
      if (isGivenUp(signal)) return { kind: "lost" };
      log.warn({ err: error }, "the run could not begin; trying again");
    }
    const holds = await persist(deps, "renew a claim", () => deps.steps.renew({ ...turn, runId }));
    if (!holds) return { kind: "lost" };
    await deps.clock.sleep(backoffMs(attempt, BACKOFF) + 1);
    if (isGivenUp(signal)) return { kind: "lost" };
  }
}

/** As session-identity takes it. A store that cannot be asked fails again, and is told, before the model is asked. */
async function modelToAsk(
  deps: RunnerDeps,
  agents: Collaborators["agents"],
  { tenant, agentId }: StoredTurn,
): Promise<string> {
  try {
    const agent = await agents.any(tenant, agentId);
    return agent === undefined ? "" : shortened(deps.agents.modelName(agent));
  } catch {
    return "";
  }
}

/** The part of a name that BeginRun has room for, and of whole characters. */
function shortened(name: string): string {
  const fit = Buffer.from(name.replaceAll("\0", "")).subarray(0, LIMITS.modelNameBytes);
  return new TextDecoder().decode(fit, { stream: true });
}

/** A turn that is to be stopped is stopped by its run: begun, it ends at once and leaves its input. */
function isGivenUp(signal: AbortSignal): boolean {
  return signal.aborted && abortCauseOf(signal)?.kind !== "stopped";
}

/**
 * Not cut short by the run's signal: a call that session-identity has granted and nobody hears of
 * would hold the key for a whole lease.
 */
async function beginOnce(
  deps: RunnerDeps,
  turn: LaneTurn,
  runId: string,
  model: string,
): Promise<Grant> {
  const sentAtMs = deps.clock.monotonicMs();
  const answer = await deps.identity.beginRun(
    {
      sessionKey: turn.sessionKey,
      admittedGeneration: turn.admittedGeneration,
      admittedSessionId: turn.admittedSessionId,
      turnId: turn.turnId,
      runId,
      leaseDuration: durationFromMs(deps.leaseMs),
      acceptTime: timestampFromDate(turn.acceptTime),
      turnClass: turn.turnClass as TurnClass,
      requiredGeneration: turn.requiredGeneration,
      model,
    },
    callFor(turn, deps.leaseMs),
  );
  return grantOf(answer, model, sentAtMs, deps.leaseMs);
}

function grantOf(
  answer: BeginRunResponse,
  model: string,
  sentAtMs: number,
  leaseMs: number,
): Grant {
  if (answer.fence?.session === undefined) {
    throw new LanekeeperError("INTERNAL", "BeginRun was answered without a fence");
  }
  const granted = answer.leaseDuration === undefined ? leaseMs : durationMs(answer.leaseDuration);
  return {
    fence: answer.fence,
    session: answer.session,
    rolledOver: answer.rolledOver !== undefined,
    model,
    leaseUntilMs: sentAtMs + granted,
  };
}

/** Not the turn's fault: a defect, or a credential of ours that somebody will mend. */
const OURS: readonly string[] = ["INTERNAL", "UNAUTHENTICATED", "PERMISSION_DENIED"];

/** Undefined: asking again may help. */
function resultOf(error: unknown): BeginResult | undefined {
  if (isRetryable(error) || !(error instanceof LanekeeperError)) return undefined;
  if (error.row.shouldRetry !== "no" && error.reason !== "SESSION_BUSY") return undefined;
  if (OURS.includes(error.reason)) return undefined;
  if (error.reason === "SESSION_BUSY") {
    return { kind: "busy", retryAfterMs: error.retryAfterMs ?? 1_000 };
  }
  if (error.reason === "KEY_MOVED") return { kind: "moved" };
  if (error.reason === "RUN_ENDED") return { kind: "spent", error };
  return { kind: "refused", error };
}
