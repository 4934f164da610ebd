import type { TracedWork } from "@lanekeeper/rpc";
import { inTrace, UnderWay } from "@lanekeeper/service";
import { agentOf, type CanonicalKey } from "@lanekeeper/session-key";
import { claimHead } from "../store/lanes/claim-head.ts";
import { readTurn } from "../store/attaching/read-turn.ts";
import { isOfLane, type StoredTurn, type LaneTurn } from "../store/turn-row.ts";
import { LIMITS } from "../limits.ts";
import { moveLane } from "./move-lane.ts";
import { persist } from "../persist.ts";
import { BoundedLanes } from "./bounded-lanes.ts";
import { LostClaims } from "./lost-claims.ts";
import { type DeadRun, PassedOver } from "./passed-over.ts";
import { type RunSlot, UNBOUND } from "./run-slots.ts";
import type { Claimed } from "../runs/claimed.ts";
import type { LocalRun, LocalRuns, Room } from "../runs/local-runs.ts";
import { type AfterRun, runTurn } from "../runs/run-turn.ts";
import { runStateless } from "../runs/run-stateless.ts";
import { takeOverTurn } from "../recovery/takeover.ts";
import { inTurnSpan, logOf, tracedParts } from "../turn-fields.ts";
import type { Collaborators } from "../collaborators.ts";
import { laneName } from "../domain/lane-name.ts";

type Opened = Claimed & { close(): Promise<void> };

/** Claims turns and runs them; whoever frees a lane looks at its new head. */
export class Runner {
  readonly #parts: Collaborators;
  readonly #takingOver = new Set<string>();
  /** How often in a row a turn found its key busy. */
  readonly #busy = new Map<string, number>();
  readonly #bounded: BoundedLanes;
  readonly lostClaims: LostClaims;
  /** Lanes whose key was busy: when they are looked at again, nobody has to before. */
  readonly #resting = new Map<string, { readonly tenant: string; readonly sessionKey: string }>();
  /** Lanes that were not claimed because this replica had no room. */
  readonly #passedOver: PassedOver;
  /** Lanes that were seen free, until their claim is known. */
  readonly #looking = new Set<string>();
  readonly #ending = new AbortController();
  /** Claims, runs, and what either leads to. */
  readonly #underWay = new UnderWay();
  #isTimeUp = false;

  constructor(parts: Collaborators) {
    this.#parts = parts;
    this.#bounded = new BoundedLanes({
      deps: parts.deps,
      slots: parts.slots,
      underWay: this.#underWay,
      mayClaim: () => this.mayClaim,
      resting: (tenant) => this.#restingKeys(tenant),
      claim: (tenant, sessionKey, slot) => this.#claimUnder(tenant, sessionKey, slot),
    });
    this.lostClaims = new LostClaims(parts.deps, (tenant, sessionKey) =>
      this.pump(tenant, sessionKey, true),
    );
    parts.slots.onFreed = (tenant) => this.#bounded.serve(tenant);
    this.#passedOver = new PassedOver({
      runs: parts.runs,
      isDraining: () => this.isDraining,
      pump: (tenant, sessionKey) => this.pump(tenant, sessionKey, true),
      goOn: (dead) => this.#goOnLater(dead),
    });
  }

  /** False: no run may begin here now. */
  get mayClaim(): boolean {
    return !this.isDraining && this.#parts.runs.hasSlot;
  }

  get isDraining(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Runs a turn that was claimed when it was admitted, and then the lane's next ones. */
  runClaimed(turn: LaneTurn, runId: string): void {
    this.#background(turn, this.#runLane(turn, runId));
  }

  /** Runs a turn without a session, held since it was admitted. */
  runStateless(turn: StoredTurn, runId: string, slot: RunSlot): void {
    const { deps, runs, hub } = this.#parts;
    const log = inTrace(deps.log, turn.traceparent);
    const run = this.#openRun({
      tenant: turn.tenant,
      sessionKey: undefined,
      turnId: turn.turnId,
      runId,
      log: logOf(log, turn, { run_id: runId }),
    });
    const stored = hub.open(turn.tenant, turn.turnId, log);
    run.slot = slot;
    const work = runStateless(this.#parts, { turn, run, stored }).finally(() => {
      stored.close();
      runs.close(runId);
      return slot.free();
    });
    this.#background(turn, work);
  }

  /** Claims the head of a lane, if it is free, and runs it and those behind it. */
  pump(tenant: string, sessionKey: string, anyCaller: boolean): void {
    this.#background({ tenant, sessionKey }, this.#claimNext(tenant, sessionKey, anyCaller));
  }

  /**
   * Claims the head of a lane that somebody who waits there saw free. All who wait see it: one look at a
   * time is enough, and none of them waits for it.
   */
  sawFree(tenant: string, sessionKey: string): void {
    const lane = laneName(tenant, sessionKey);
    if (this.#looking.has(lane)) return;
    this.#looking.add(lane);
    const work = this.#claim(tenant, sessionKey, false)
      .finally(() => this.#looking.delete(lane))
      .then((run) => run?.());
    this.#background({ tenant, sessionKey }, work);
  }

  /** Goes on with a turn whose run died, here or elsewhere; where there is no room, as soon as there is. */
  takeOver(turn: LaneTurn): void {
    const { tenant, turnId, runId: deadRunId } = turn;
    if (deadRunId === undefined || !this.#mayTakeOver(turnId, deadRunId)) return;
    const room = this.#passedOver.roomToGoOn({ tenant, turnId, runId: deadRunId });
    if (room !== undefined) this.#background(turn, this.#takeOverInto(room, turn, deadRunId));
  }

  #mayTakeOver(turnId: string, deadRunId: string): boolean {
    if (this.isDraining || this.#takingOver.has(turnId)) return false;
    // Not dead after all: only its renewals could not be stored.
    return !this.#parts.runs.has(deadRunId);
  }

  async #takeOverInto(room: Room, turn: LaneTurn, deadRunId: string): Promise<void> {
    this.#takingOver.add(turn.turnId);
    const traced = tracedParts(this.#parts, turn);
    const isFreed = await inTurnSpan("runner.takeover", turn, deadRunId, () =>
      takeOverTurn(traced, { turn, deadRunId }, (taken) => this.#openAnew(taken, room)),
    ).finally(() => {
      room.release();
      this.#takingOver.delete(turn.turnId);
    });
    if (isFreed) await this.#claimNext(turn.tenant, turn.sessionKey, true);
  }

  /** Somebody else may have gone on with it while there was no room here. */
  #goOnLater({ tenant, turnId, runId }: DeadRun): void {
    const room = this.#parts.runs.hold();
    if (room === undefined) return;
    const work = readTurn(this.#parts.deps.db, tenant, turnId).then(async (turn) => {
      const isOpen = turn?.state === "ACTIVE" || turn?.state === "QUEUED";
      if (!isOpen || !isOfLane(turn) || turn.runId !== runId) return;
      if (this.#mayTakeOver(turnId, runId)) await this.#takeOverInto(room, turn, runId);
    });
    const done = work.finally(() => room.release());
    this.#background({ tenant, sessionKey: undefined }, done);
  }

  /**
   * No new claims. Runs go on until they are done; those that are not by then go back to their queues. Once
   * it resolves nothing of them is under way any more: neither a claim nor what a run does after its end.
   */
  async drain(timeUp: AbortSignal): Promise<void> {
    this.#ending.abort(new Error("the replica drains"));
    const stop = (): void => {
      this.#isTimeUp = true;
      this.#parts.runs.abortAll({ kind: "draining" });
    };
    if (timeUp.aborted) stop();
    else timeUp.addEventListener("abort", stop, { once: true });
    await this.#underWay.settled();
    timeUp.removeEventListener("abort", stop);
  }

  /** One whose claim was on its way when the time was over goes back at once. */
  #openRun(run: Parameters<LocalRuns["open"]>[0]): LocalRun {
    const { runs } = this.#parts;
    const local = runs.open(run);
    if (this.#isTimeUp) runs.abort(run.runId, { kind: "draining" });
    return local;
  }

  async #runLane(turn: LaneTurn, runId: string, slot: RunSlot = UNBOUND): Promise<void> {
    const after = await this.#runOne(turn, runId, slot);
    if (after.kind !== "later") this.#busy.delete(turn.turnId);
    await this.#goOn(turn, after);
  }

  async #runOne(turn: LaneTurn, runId: string, slot: RunSlot): Promise<AfterRun> {
    const claimed = this.#open(turn, runId, slot);
    try {
      return await runTurn(this.#parts, claimed);
    } finally {
      await claimed.close();
    }
  }

  /** A turn that ran before goes on before any new one begins. */
  async #openAnew(turn: LaneTurn, room: Room): Promise<Opened> {
    const { slots, deps } = this.#parts;
    const slot = await slots.takeAgain(turn.tenant, turn.agentId, this.#ending.signal);
    const opened = this.#open(turn, deps.runIds.mint(), slot);
    room.release();
    return opened;
  }

  #open(turn: LaneTurn, runId: string, slot: RunSlot): Opened {
    const { deps, runs, hub } = this.#parts;
    const log = inTrace(deps.log, turn.traceparent);
    const { tenant, sessionKey, turnId } = turn;
    const ofRun = logOf(log, turn, { run_id: runId });
    const run = this.#openRun({ tenant, sessionKey, turnId, runId, log: ofRun });
    const stored = hub.open(tenant, turnId, log);
    run.slot = slot;
    const close = (): Promise<void> => {
      stored.close();
      runs.close(runId);
      return slot.free();
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
        if (survivor === undefined) return;
        // What asks for its generation has stayed.
        this.pump(tenant, sessionKey, true);
        await this.#claimNext(tenant, survivor, true);
        return;
      }
    }
  }

  async #claimNext(tenant: string, sessionKey: string, anyCaller: boolean): Promise<void> {
    await (await this.#claim(tenant, sessionKey, anyCaller))?.();
  }

  /** Gives what runs the turn that was claimed, and those behind it. */
  async #claim(
    tenant: string,
    sessionKey: string,
    anyCaller: boolean,
  ): Promise<(() => Promise<void>) | undefined> {
    const room = this.#passedOver.roomFor(tenant, sessionKey);
    if (room === undefined) return undefined;
    const claimed = await this.#claimInto(room, { tenant, sessionKey, anyCaller }).catch(
      (error: unknown) => {
        room.release();
        throw error;
      },
    );
    if (claimed === undefined) room.release();
    return claimed;
  }

  async #claimInto(
    room: Room,
    lane: { readonly tenant: string; readonly sessionKey: string; readonly anyCaller: boolean },
  ): Promise<(() => Promise<void>) | undefined> {
    const { tenant, sessionKey, anyCaller } = lane;
    const { deps, slots } = this.#parts;
    if (await slots.isBound(tenant, agentOf(sessionKey as CanonicalKey))) {
      room.release();
      this.#bounded.serve(tenant);
      return undefined;
    }
    if (this.isDraining) return undefined;
    const runId = deps.runIds.mint();
    const { replica } = deps;
    const claim = () => claimHead(deps.db, tenant, sessionKey, { runId, replica, anyCaller });
    const result = await persist(deps, "claim a turn", claim, this.#ending.signal);
    if (result.kind === "claimed") {
      const { turn } = result;
      return () => {
        // Its run is open before the first of what it waits for.
        const work = this.#runLane(turn, runId);
        room.release();
        return work;
      };
    }
    if (result.kind === "preferred") this.#pumpLater(tenant, sessionKey, LIMITS.preferenceMs);
    return undefined;
  }

  async #claimUnder(tenant: string, sessionKey: string, slot: RunSlot): Promise<boolean> {
    const { deps } = this.#parts;
    using room = this.#passedOver.roomFor(tenant, sessionKey);
    if (room === undefined) {
      await slot.free();
      return false;
    }
    const runId = deps.runIds.mint();
    const claimant = { runId, replica: deps.replica, anyCaller: true };
    const claim = () => claimHead(deps.db, tenant, sessionKey, claimant);
    const result = await persist(deps, "claim a turn", claim, this.#ending.signal);
    if (result.kind === "claimed") {
      const { turn } = result;
      this.#background(turn, this.#runLane(turn, runId, slot));
    } else await slot.free();
    return result.kind === "claimed";
  }

  #restingKeys(tenant: string): string[] {
    return [...this.#resting.values()]
      .filter((lane) => lane.tenant === tenant)
      .map(({ sessionKey }) => sessionKey);
  }

  /** Soon at first, since most holders are on their way out, then twice as late each time. */
  #busyMs(turnId: string): number {
    const times = this.#busy.get(turnId) ?? 0;
    if (this.#busy.size >= LIMITS.activeRunsPerReplica) this.#busy.clear();
    this.#busy.set(turnId, times + 1);
    return Math.min(LIMITS.busyRetryMs * 2 ** times, LIMITS.maxBusyRetryMs);
  }

  #pumpLater(tenant: string, sessionKey: string, ms: number): void {
    const lane = laneName(tenant, sessionKey);
    this.#resting.set(lane, { tenant, sessionKey });
    this.#parts.deps.clock.setTimer(ms, () => {
      this.#resting.delete(lane);
      this.pump(tenant, sessionKey, true);
    });
  }

  /** What fails here is found again by the sweepers of all replicas. */
  #background(
    turn: TracedWork & { readonly tenant: string; readonly sessionKey: string | undefined },
    work: Promise<void>,
  ): void {
    const done = work.catch((err: unknown) => {
      const { tenant, sessionKey, traceparent } = turn;
      const log = inTrace(this.#parts.deps.log, traceparent);
      log.error({ err, tenant, session_key: sessionKey }, "a run broke off");
    });
    this.#underWay.add(done);
  }
}
