import { slowConsumer } from "@lanekeeper/rpc";
import type { Clock, ClockTimer } from "@lanekeeper/service";
import { LIMITS } from "../limits.ts";
import type { SeenLane } from "./seen-lane.ts";

/** What a watcher is told next. */
export type LaneArrival =
  | { readonly kind: "snapshot" | "changed"; readonly lane: SeenLane }
  | { readonly kind: "snapshot_end" | "silence" };

/**
 * Between the looks at the lanes and one watcher. A lane that changes again before it was read is told
 * once, as it stands then: what waits is bounded by how many lanes there are, and by `maxPending`.
 */
export class LaneSubscription {
  readonly #clock: Pick<Clock, "setTimer">;
  readonly #wants: (lane: SeenLane) => boolean;
  readonly #maxPending: number;
  #snapshot: Iterator<SeenLane> | undefined;
  #hasEnded = false;
  readonly #changed = new Map<string, SeenLane>();
  #failure: unknown;
  #wake: (() => void) | undefined;

  constructor(
    clock: Pick<Clock, "setTimer">,
    wants: (lane: SeenLane) => boolean,
    maxPending: number = LIMITS.watchedLanesPending,
  ) {
    this.#clock = clock;
    this.#wants = wants;
    this.#maxPending = maxPending;
  }

  /** Before its first look it is told nothing of changes. */
  get isNew(): boolean {
    return this.#snapshot === undefined;
  }

  begin(lanes: readonly SeenLane[]): void {
    this.#snapshot = lanes.filter(this.#wants).values();
    this.#wake?.();
  }

  change(lane: SeenLane): void {
    if (this.#failure !== undefined || !this.#wants(lane)) return;
    // Last, where it was told before: a reader that is behind gets to every lane.
    this.#changed.delete(lane.id);
    this.#changed.set(lane.id, lane);
    if (this.#changed.size > this.#maxPending) {
      this.fail(slowConsumer(`more than ${this.#maxPending} lanes waited for the watcher to read`));
    }
    this.#wake?.();
  }

  fail(error: unknown): void {
    this.#failure ??= error;
    this.#changed.clear();
    this.#wake?.();
  }

  /** @throws what failed the subscription, the signal's reason */
  async next(signal: AbortSignal): Promise<LaneArrival> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
      const arrival = this.#take();
      if (arrival !== undefined) return arrival;
      if (!(await this.#woken(signal))) return { kind: "silence" };
    }
  }

  #take(): LaneArrival | undefined {
    if (this.#snapshot === undefined) return undefined;
    if (!this.#hasEnded) {
      const { value: lane, done } = this.#snapshot.next();
      if (done !== true) return { kind: "snapshot", lane };
      this.#hasEnded = true;
      this.#snapshot = [].values();
      return { kind: "snapshot_end" };
    }
    for (const [id, lane] of this.#changed) {
      this.#changed.delete(id);
      return { kind: "changed", lane };
    }
    return undefined;
  }

  /** False once nothing came for as long as a stream may be silent. */
  #woken(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      let timer: ClockTimer | undefined;
      const settle = (isWoken: boolean): void => {
        timer?.cancel();
        signal.removeEventListener("abort", onAbort);
        this.#wake = undefined;
        resolve(isWoken);
      };
      const onAbort = (): void => settle(true);
      timer = this.#clock.setTimer(LIMITS.watchBookmarkMs, () => settle(false));
      signal.addEventListener("abort", onAbort, { once: true });
      this.#wake = () => settle(true);
    });
  }
}
