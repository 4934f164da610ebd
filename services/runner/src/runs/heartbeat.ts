import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Fence } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { hasReason, isRetryable } from "@lanekeeper/rpc";
import type { CallOptions } from "@lanekeeper/rpc";
import { LIMITS } from "../limits.ts";
import type { RunnerDeps } from "../deps.ts";
import type { LocalRun } from "./local-runs.ts";
import type { AbortCause } from "./run-abort.ts";

export interface HeartbeatOptions {
  readonly run: LocalRun;
  /** Looked at with each heartbeat: the run itself may rotate its session. */
  readonly grant: { readonly fence: Fence };
  readonly call: CallOptions;
  /** On the monotonic clock. */
  readonly leaseUntilMs: number;
  readonly abort: (cause: AbortCause) => void;
}

/**
 * Keeps a run's lease while it works: a heartbeat each third of it, and at once when a rotation is
 * suspected. The lease counts from when the last renewal that was answered had been sent. Where
 * session-identity cannot be asked, the run goes on as long as the lease lives, and then stops.
 */
export class Heartbeat {
  readonly #deps: RunnerDeps;
  readonly #options: HeartbeatOptions;
  readonly #everyMs: number;
  #leaseUntilMs: number;
  #eventSeq = 0n;
  #timer: { cancel(): void } | undefined;
  #beating: Promise<void> = Promise.resolve();
  #isHinting = false;
  #phase = "model";
  #stopped = false;

  constructor(deps: RunnerDeps, options: HeartbeatOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#everyMs = deps.leaseMs / LIMITS.heartbeatsPerLease;
    this.#leaseUntilMs = options.leaseUntilMs;
    options.run.check = () => this.#beatNow();
    // Of a grant that was long on its way little is left: half of that is for the answer.
    this.#schedule(Math.min(this.#everyMs, Math.max(0, this.#leftMs()) / 2));
  }

  /** What the run does now, as session-identity is told with the next heartbeat. */
  set phase(phase: string) {
    this.#phase = phase;
  }

  /** No more heartbeats; resolves when the one under way is answered. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#beating;
  }

  #schedule(ms: number): void {
    if (this.#stopped) return;
    this.#timer?.cancel();
    this.#timer = this.#deps.clock.setTimer(ms, () => this.#beatNow());
  }

  #beatNow(): void {
    if (this.#stopped) return;
    this.#timer?.cancel();
    this.#beating = this.#beating.then(() => this.#beat());
  }

  async #beat(): Promise<void> {
    if (this.#stopped) return;
    try {
      await this.#renewLease();
    } catch (error) {
      return this.#judge(error);
    }
    this.#schedule(this.#everyMs);
    // The lease does not wait for it: a statement may be stuck for longer than that.
    if (!this.#isHinting) void this.#renewHint();
  }

  async #renewLease(): Promise<void> {
    const { clock, identity } = this.#deps;
    const { grant, call } = this.#options;
    const sentAtMs = clock.monotonicMs();
    this.#eventSeq += 1n;
    const event = { case: "progress", value: { phase: this.#phase } } as const;
    const answer = await identity.writeLifecycle(
      { writer: { case: "run", value: grant.fence }, eventSeq: this.#eventSeq, event },
      { ...call, timeoutMs: Math.max(1, Math.min(this.#everyMs, this.#leftMs())), retry: false },
    );
    if (answer.leaseDuration !== undefined) {
      const until = sentAtMs + durationMs(answer.leaseDuration);
      this.#leaseUntilMs = Math.max(this.#leaseUntilMs, until);
    }
  }

  /** For other replicas' sweepers; and the store's word that the turn is still this run's. */
  async #renewHint(): Promise<void> {
    const { run, abort } = this.#options;
    this.#isHinting = true;
    try {
      // Once the run is at its end, whether the turn is still its own is found out with that.
      if (!(await this.#deps.steps.renew(run)) && !this.#stopped) abort({ kind: "lost" });
    } catch (err) {
      run.log.warn({ err }, "the renewal's hint could not be stored");
    } finally {
      this.#isHinting = false;
    }
  }

  #judge(error: unknown): void {
    const { abort, run } = this.#options;
    if (hasReason(error, "STALE_GENERATION")) return abort({ kind: "superseded" });
    if (hasReason(error, "TAKEN_OVER", "RUN_ENDED")) return abort({ kind: "lost" });
    if (hasReason(error, "KEY_MOVED")) return abort({ kind: "moved" });
    if (!isRetryable(error)) run.log.warn({ err: error }, "a heartbeat was not taken");
    const leftMs = this.#leftMs();
    if (leftMs <= 0) return abort({ kind: "lease_over" });
    this.#schedule(Math.min(leftMs, this.#everyMs / 4));
  }

  #leftMs(): number {
    return this.#leaseUntilMs - this.#deps.clock.monotonicMs();
  }
}
