import { inTrace, UnderWay } from "@lanekeeper/service";
import { agentOf, type CanonicalKey } from "@lanekeeper/session-key";
import { claimHead } from "../store/lanes/claim-head.ts";
import type { StoredTurn, LaneTurn } from "../store/turn-row.ts";
import { LIMITS } from "../limits.ts";
import { moveLane } from "./move-lane.ts";
import { persist } from "../persist.ts";
import { BoundedLanes } from "./bounded-lanes.ts";
import { LostClaims } from "./lost-claims.ts";
import { PassedOver } from "./passed-over.ts";
import { type RunSlot, UNBOUND } from "./run-slots.ts";
import { type LaneWork, Takeovers } from "./takeovers.ts";
import type { Room } from "../runs/rooms.ts";
import { OpenRuns } from "../runs/open-runs.ts";
import { type AfterRun, runTurn } from "../runs/run-turn.ts";
import { runStateless } from "../runs/run-stateless.ts";
import type { Collaborators } from "../collaborators.ts";
import { laneName } from "../domain/lane-name.ts";

/** A turn that was claimed, and what runs it and those behind it. */
interface ClaimedHead {
  readonly turn: LaneTurn;
  run(): Promise<void>;
}

/** A lane whose head is to be claimed. `anyCaller`: also one whose caller is attached to another replica. */
interface Lane {
  readonly tenant: string;
  readonly sessionKey: string;
  readonly anyCaller: boolean;
}

/** Claims turns and runs them; whoever frees a lane looks at its new head. */
export class Runner {
  readonly #parts: Collaborators;
  readonly #open: OpenRuns;
  /** How often in a row a turn found its key busy. */
  readonly #busy = new Map<string, number>();
  readonly #bounded: BoundedLanes;
  readonly lostClaims: LostClaims;
  readonly takeovers: Takeovers;
  /** Lanes whose key was busy: when they are looked at again, nobody has to before. */
  readonly #resting = new Map<string, { readonly tenant: string; readonly sessionKey: string }>();
  /** Lanes that were not claimed because this replica had no room. */
  readonly #passedOver: PassedOver;
  /** Lanes that were seen free, until their claim is known. */
  readonly #looking = new Set<string>();
  readonly #ending = new AbortController();
  /** Claims, runs, and what either leads to. */
  readonly #underWay = new UnderWay();

  constructor(parts: Collaborators) {
    this.#parts = parts;
    this.#open = new OpenRuns(parts);
    this.#bounded = new BoundedLanes({
      deps: parts.deps,
      slots: parts.slots,
      underWay: this.#underWay,
      mayClaim: (tenant) => !this.isDraining && parts.runs.rooms.hasFor(tenant),
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
      goOn: (dead) => this.takeovers.goOn(dead),
    });
    this.takeovers = new Takeovers({
      parts,
      open: this.#open,
      passedOver: this.#passedOver,
      ending: this.#ending.signal,
      claimNext: (tenant, sessionKey) => this.#claimNext(tenant, sessionKey, true),
      background: (of, work) => this.#background(of, work),
    });
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
    const opened = this.#open.open(turn, runId, slot);
    const work = runStateless(this.#parts, opened).finally(() => opened.close());
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
      .then((claimed) => claimed?.run());
    this.#background({ tenant, sessionKey }, work);
  }

  /**
   * No new claims. Runs go on until they are done; those that are not by then go back to their queues. Once
   * it resolves nothing of them is under way any more: neither a claim nor what a run does after its end.
   */
  async drain(timeUp: AbortSignal): Promise<void> {
    this.#ending.abort(new Error("the replica drains"));
    const stop = (): void => this.#open.timeIsUp();
    if (timeUp.aborted) stop();
    else timeUp.addEventListener("abort", stop, { once: true });
    await this.#underWay.settled();
    timeUp.removeEventListener("abort", stop);
  }

  async #runLane(turn: LaneTurn, runId: string, slot: RunSlot = UNBOUND): Promise<void> {
    const after = await this.#runOne(turn, runId, slot);
    if (after.kind !== "later") this.#busy.delete(turn.turnId);
    await this.#goOn(turn, after);
  }

  async #runOne(turn: LaneTurn, runId: string, slot: RunSlot): Promise<AfterRun> {
    const claimed = this.#open.open(turn, runId, slot);
    try {
      return await runTurn(this.#parts, claimed);
    } finally {
      await claimed.close();
    }
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
    await (await this.#claim(tenant, sessionKey, anyCaller))?.run();
  }

  async #claim(
    tenant: string,
    sessionKey: string,
    anyCaller: boolean,
  ): Promise<ClaimedHead | undefined> {
    const room = this.#passedOver.roomFor(tenant, sessionKey);
    return room && this.#claimInto(room, { tenant, sessionKey, anyCaller }, UNBOUND);
  }

  async #claimUnder(tenant: string, sessionKey: string, slot: RunSlot): Promise<boolean> {
    const room = this.#passedOver.roomFor(tenant, sessionKey);
    if (room === undefined) {
      await slot.free();
      return false;
    }
    const claimed = await this.#claimInto(room, { tenant, sessionKey, anyCaller: true }, slot);
    if (claimed === undefined) return false;
    this.#background(claimed.turn, claimed.run());
    return true;
  }

  /** Room and slot are the run's; where there is none they are given back. */
  async #claimInto(room: Room, lane: Lane, slot: RunSlot): Promise<ClaimedHead | undefined> {
    let claimed: ClaimedHead | undefined;
    try {
      claimed = await this.#claimHead(room, lane, slot);
      return claimed;
    } finally {
      if (claimed === undefined) {
        room.release();
        await slot.free();
      }
    }
  }

  async #claimHead(room: Room, lane: Lane, slot: RunSlot): Promise<ClaimedHead | undefined> {
    const { tenant, sessionKey, anyCaller } = lane;
    const { deps, slots } = this.#parts;
    if (!slot.isBound && (await slots.isBound(tenant, agentOf(sessionKey as CanonicalKey)))) {
      room.release();
      this.#bounded.serve(tenant);
      return undefined;
    }
    if (this.isDraining) return undefined;
    const runId = deps.runIds.mint();
    const { replica } = deps;
    const claim = () => claimHead(deps.db, tenant, sessionKey, { runId, replica, anyCaller });
    const result = await persist(deps, "claim a turn", claim, this.#ending.signal);
    if (result.kind === "preferred") this.#pumpLater(tenant, sessionKey, LIMITS.preferenceMs);
    if (result.kind !== "claimed") return undefined;
    const { turn } = result;
    const run = (): Promise<void> => {
      // Its run is open before the first of what it waits for.
      const work = this.#runLane(turn, runId, slot);
      room.release();
      return work;
    };
    return { turn, run };
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
  #background({ tenant, sessionKey, traceparent }: LaneWork, work: Promise<void>): void {
    const done = work.catch((err: unknown) => {
      const log = inTrace(this.#parts.deps.log, traceparent);
      log.error({ err, tenant, session_key: sessionKey }, "a run broke off");
    });
    this.#underWay.add(done);
  }
}
