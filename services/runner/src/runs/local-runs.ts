import { PassingMap } from "@lanekeeper/collections";
import type { Log } from "@lanekeeper/service";
import { type RunSlot, UNBOUND } from "../lanes/run-slots.ts";
import { type AbortCause, RunAborted } from "./run-abort.ts";
import { Rooms } from "./rooms.ts";
import { laneName } from "../domain/lane-name.ts";

/** A run of this replica, from its claim to its end. */
export interface LocalRun {
  readonly tenant: string;
  /** Undefined: stateless. */
  readonly sessionKey: string | undefined;
  readonly turnId: string;
  readonly runId: string;
  readonly signal: AbortSignal;
  readonly log: Log;
  /** The generation that the run holds; set once it has begun. */
  generation: bigint | undefined;
  /** Looks at once whether the run may still write. */
  check: () => void;
  /** A message was handed to its turn at this replica. */
  isSteered: boolean;
  /** What it counts as against the bounds of its agent and its tenant. */
  slot: RunSlot;
}

interface Listed extends LocalRun {
  readonly controller: AbortController;
  /** It waits for another lane's turn, and has no room. */
  isAside: boolean;
}

/** The runs of this replica, and the room that they have. */
export class LocalRuns {
  readonly #runs = new PassingMap<string, Listed>();
  /** The feed of changed sessions asks for each key; most are not ours. */
  readonly #byKey = new PassingMap<string, Set<LocalRun>>();
  readonly #onCount: (count: number) => void;
  readonly rooms = new Rooms(() => this.onRoom());
  /** Told whenever there may be room again. */
  onRoom: () => void = () => undefined;

  constructor(onCount: (count: number) => void) {
    this.#onCount = onCount;
  }

  get size(): number {
    return this.#runs.size;
  }

  open(run: Pick<LocalRun, "tenant" | "sessionKey" | "turnId" | "runId" | "log">): LocalRun {
    const controller = new AbortController();
    const local = {
      tenant: run.tenant,
      sessionKey: run.sessionKey,
      turnId: run.turnId,
      runId: run.runId,
      log: run.log,
      controller,
      signal: controller.signal,
      generation: undefined,
      check: () => undefined,
      isSteered: false,
      isAside: false,
      slot: UNBOUND,
    };
    this.#runs.set(run.runId, local);
    this.#index(local);
    this.rooms.enter(run.tenant);
    this.#onCount(this.#runs.size);
    return local;
  }

  close(runId: string): void {
    const run = this.#runs.get(runId);
    if (run === undefined) return;
    this.#unindex(run);
    this.#runs.delete(runId);
    this.#onCount(this.#runs.size);
    if (!run.isAside) this.rooms.leave(run.tenant);
  }

  has(runId: string): boolean {
    return this.#runs.has(runId);
  }

  abort(runId: string, cause: AbortCause): void {
    this.#runs.get(runId)?.controller.abort(new RunAborted(cause));
  }

  abortAll(cause: AbortCause): void {
    for (const runId of this.#runs.keys()) this.abort(runId, cause);
  }

  list(): readonly LocalRun[] {
    return [...this.#runs.values()];
  }

  /** The run that this replica has on a key, if any; more than one while a lost one goes out. */
  ofKey(tenant: string, sessionKey: string): readonly LocalRun[] {
    return [...(this.#byKey.get(laneName(tenant, sessionKey)) ?? [])];
  }

  /** A message was handed to a turn, which may run here. */
  noteSteer(tenant: string, sessionKey: string, turnId: string): void {
    for (const run of this.ofKey(tenant, sessionKey)) {
      if (run.turnId === turnId) run.isSteered = true;
    }
  }

  /** Gives a run's room and slot back while it waits for another lane; it has first claim afterwards. */
  async asideWhile<T>(runId: string, work: () => Promise<T>): Promise<T> {
    const run = this.#runs.get(runId);
    if (run === undefined) return work();
    run.isAside = true;
    this.rooms.leave(run.tenant);
    await run.slot.setAside();
    try {
      return await work();
    } finally {
      await run.slot.reclaim(run.signal);
      run.isAside = false;
      // Its turn may have been stopped meanwhile, and the run be closed.
      if (this.#runs.has(runId)) this.rooms.enter(run.tenant);
    }
  }

  #index(run: LocalRun): void {
    if (run.sessionKey === undefined) return;
    const key = laneName(run.tenant, run.sessionKey);
    const runs = this.#byKey.get(key) ?? new Set();
    this.#byKey.set(key, runs.add(run));
  }

  #unindex(run: LocalRun): void {
    if (run.sessionKey === undefined) return;
    const key = laneName(run.tenant, run.sessionKey);
    const runs = this.#byKey.get(key);
    runs?.delete(run);
    if (runs?.size === 0) this.#byKey.delete(key);
  }
}
