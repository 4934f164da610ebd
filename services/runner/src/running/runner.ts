import { claimHead } from "../store/claim-head.ts";
import type { StoredTurn } from "../store/turn-row.ts";
import { LIMITS } from "../limits.ts";
import type { ToolDeps } from "../tools/tool-deps.ts";
import type { Agents } from "./agents.ts";
import type { RunnerDeps } from "./deps.ts";
import type { LocalRuns } from "./local-runs.ts";
import { moveLane } from "./move-lane.ts";
import { persist } from "./persist.ts";
import type { Relay } from "./relay.ts";
import { type AfterRun, type Claimed, runTurn } from "./run-turn.ts";
import { runStateless } from "./run-stateless.ts";
import type { StreamHub } from "./stream-hub.ts";
import { takeOverTurn } from "./takeover.ts";
import { inTurnSpan, logOf } from "./turn-fields.ts";

/** What a run works with. */
export interface Collaborators {
  readonly deps: RunnerDeps;
  readonly runs: LocalRuns;
  readonly hub: StreamHub;
  readonly agents: Agents;
  readonly relay: Pick<Relay, "kick">;
  readonly toolDeps: ToolDeps;
}

export type LaneTurn = StoredTurn & { readonly sessionKey: string };

/** Claims turns and runs them; whoever frees a lane looks at its new head. */
export class Runner {
  readonly #parts: Collaborators;
  readonly #takingOver = new Set<string>();
  /** How often in a row a turn found its key busy. */
  readonly #busy = new Map<string, number>();
  #draining = false;

  constructor(parts: Collaborators) {
    this.#parts = parts;
  }

  /** False: no run may begin here now. */
  get mayClaim(): boolean {
    return !this.#draining && this.#parts.runs.hasSlot;
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  /** Runs a turn that was claimed when it was admitted, and then the lane's next ones. */
  runClaimed(turn: LaneTurn, runId: string): void {
    this.#background(turn, this.#runLane(turn, runId));
  }

  /** Runs a turn without a session, held since it was admitted. */
  runStateless(turn: StoredTurn, runId: string): void {
    const { deps, runs, hub } = this.#parts;
    const log = logOf(deps.log, turn, { run_id: runId });
    const run = runs.open({
      tenant: turn.tenant,
      sessionKey: undefined,
      turnId: turn.turnId,
      runId,
      log,
    });
    const stored = hub.open(turn.tenant, turn.turnId);
    const work = runStateless(this.#parts, { turn, run, stored }).finally(() => {
      stored.close();
      runs.close(runId);
    });
    this.#background(turn, work);
  }

  /** Claims the head of a lane, if it is free, and runs it and those behind it. */
  pump(tenant: string, sessionKey: string, anyCaller: boolean): void {
    this.#background({ tenant, sessionKey }, this.#claimNext(tenant, sessionKey, anyCaller));
  }

  /** Goes on with a turn whose run died, here or elsewhere. */
  takeOver(turn: LaneTurn): void {
    const { runId: deadRunId } = turn;
    if (deadRunId === undefined || this.#takingOver.has(turn.turnId)) return;
    // Not dead after all: only its renewals could not be stored.
    if (this.#parts.runs.has(deadRunId)) return;
    this.#takingOver.add(turn.turnId);
    const work = inTurnSpan("runner.takeover", turn, deadRunId, () =>
      takeOverTurn(this.#parts, { turn, deadRunId }, (taken) => this.#open(taken)),
    )
      .finally(() => this.#takingOver.delete(turn.turnId))
      .then((isFreed) =>
        isFreed ? this.#claimNext(turn.tenant, turn.sessionKey, true) : undefined,
      );
    this.#background(turn, work);
  }

  /** No new claims. Runs go on until they are done; those that are not by then go back to their queues. */
  async drain(timeUp: AbortSignal): Promise<void> {
    this.#draining = true;
    const { runs } = this.#parts;
    const stop = (): void => runs.abortAll({ kind: "draining" });
    if (timeUp.aborted) stop();
    else timeUp.addEventListener("abort", stop, { once: true });
    await runs.untilIdle();
    timeUp.removeEventListener("abort", stop);
  }

  async #runLane(turn: LaneTurn, runId: string): Promise<void> {
    const after = await this.#runOne(turn, runId);
    if (after.kind !== "later") this.#busy.delete(turn.turnId);
    await this.#goOn(turn, after);
  }

  async #runOne(turn: LaneTurn, runId: string): Promise<AfterRun> {
    const claimed = this.#open(turn, runId);
    try {
      return await runTurn(this.#parts, claimed);
    } finally {
      claimed.close();
    }
  }

  #open(turn: LaneTurn, runId: string = this.#parts.deps.ids.uuid()): Claimed & { close(): void } {
    const { deps, runs, hub } = this.#parts;
    const log = logOf(deps.log, turn, { run_id: runId });
    const { tenant, sessionKey, turnId } = turn;
    const run = runs.open({ tenant, sessionKey, turnId, runId, log });
    const stored = hub.open(tenant, turnId);
    const close = (): void => {
      stored.close();
      runs.close(runId);
    };
    return { turn, run, stored, close };
  }

  async #goOn(turn: LaneTurn, after: AfterRun): Promise<void> {
    const { tenant, sessionKey } = turn;
    switch (after.kind) {
      case "next":
        return this.#claimNext(tenant, sessionKey, false);
      case "done":
        return;
      case "later":
        this.#pumpLater(tenant, sessionKey, Math.min(after.ms, this.#busyMs(turn.turnId)));
        return;
      case "moved": {
        const survivor = await moveLane(this.#parts.deps, turn);
        if (survivor !== undefined) await this.#claimNext(tenant, survivor, true);
        return;
      }
    }
  }

  async #claimNext(tenant: string, sessionKey: string, anyCaller: boolean): Promise<void> {
    if (!this.mayClaim) return;
    const { deps } = this.#parts;
    const runId = deps.ids.uuid();
    const { replica } = deps;
    const result = await persist(deps, "claim a turn", () =>
      claimHead(deps.db, tenant, sessionKey, { runId, replica, anyCaller }),
    );
    if (result.kind === "claimed") return this.#runLane({ ...result.turn, sessionKey }, runId);
    if (result.kind === "preferred") this.#pumpLater(tenant, sessionKey, LIMITS.preferenceMs);
  }

  /** Soon at first, since most holders are on their way out, then twice as late each time. */
  #busyMs(turnId: string): number {
    const times = this.#busy.get(turnId) ?? 0;
    if (this.#busy.size >= LIMITS.activeRunsPerReplica) this.#busy.clear();
    this.#busy.set(turnId, times + 1);
    return Math.min(LIMITS.busyRetryMs * 2 ** times, LIMITS.maxBusyRetryMs);
  }

  #pumpLater(tenant: string, sessionKey: string, ms: number): void {
    this.#parts.deps.clock.setTimer(ms, () => this.pump(tenant, sessionKey, true));
  }

  /** What fails here is found again by the sweepers of all replicas. */
  #background(
    turn: { readonly tenant: string; readonly sessionKey: string | undefined },
    work: Promise<void>,
  ): void {
    work.catch((err: unknown) => {
      const { tenant, sessionKey } = turn;
      this.#parts.deps.log.error({ err, tenant, session_key: sessionKey }, "a run broke off");
    });
  }
}
