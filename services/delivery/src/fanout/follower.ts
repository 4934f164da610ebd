import { hasReason, type ServiceName, storeUnavailable } from "@lanekeeper/rpc";
import { backoffMs, type Clock, type ClockTimer, type Log } from "@lanekeeper/service";
import type { Limits } from "../limits.ts";

export interface FollowerDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: Pick<Limits, "watchBackoff" | "watchOutageMs" | "watchLingerMs">;
}

/** The one stream that a replica follows on behalf of its subscribers. */
export interface Upstream<M> {
  /** For logs and subscribers. */
  readonly name: ServiceName;
  /** From where the last message left off. */
  open(signal: AbortSignal): AsyncIterable<M>;
  take(message: M): void;
  /** It cannot be carried on, or has been away for long: whoever relies on it has to be told. */
  lost(error: unknown): void;
  /** Nobody relies on it any more: what it keeps can go. */
  idle(): void;
}

/**
 * Follows an upstream while somebody holds it, through its interruptions: a replica that is restarted,
 * a connection at its age, or us being too slow. It is let go some time after its last holder, so that
 * one who comes back finds it.
 */
export class Follower<M> implements AsyncDisposable {
  readonly #deps: FollowerDeps;
  readonly #upstream: Upstream<M>;
  #holders = 0;
  #following: { readonly end: AbortController; readonly done: Promise<void> } | undefined;
  #linger: ClockTimer | undefined;

  constructor(deps: FollowerDeps, upstream: Upstream<M>) {
    this.#deps = deps;
    this.#upstream = upstream;
  }

  hold(): () => void {
    this.#holders += 1;
    this.#linger?.cancel();
    if (this.#following === undefined) {
      const end = new AbortController();
      this.#following = { end, done: this.#follow(end.signal) };
    }
    return () => this.#release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#linger?.cancel();
    await this.#end();
  }

  #release(): void {
    this.#holders -= 1;
    if (this.#holders > 0) return;
    const { clock, limits } = this.#deps;
    this.#linger = clock.setTimer(limits.watchLingerMs, () => void this.#end());
  }

  async #end(): Promise<void> {
    const following = this.#following;
    this.#following = undefined;
    following?.end.abort(new Error("nobody watches"));
    this.#upstream.idle();
    await following?.done;
  }

  /** Never rejects. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { clock, limits } = this.#deps;
    for (let failures = 0, sinceMs = clock.monotonicMs(); !signal.aborted; failures += 1) {
      try {
        for await (const message of this.#upstream.open(signal)) {
          if (signal.aborted) return;
          this.#upstream.take(message);
          failures = 0;
          sinceMs = clock.monotonicMs();
        }
        throw storeUnavailable("the feed ended", undefined, this.#upstream.name);
      } catch (error) {
        if (signal.aborted) return;
        this.#interrupted(error, clock.monotonicMs() - sinceMs);
      }
      await clock.sleep(backoffMs(failures, limits.watchBackoff), signal).catch(() => undefined);
    }
  }

  #interrupted(error: unknown, outageMs: number): void {
    const { log, limits } = this.#deps;
    const isOver = hasReason(error, "RESUME_TOKEN_EXPIRED", "QUOTA");
    if (!isOver && outageMs <= limits.watchOutageMs) {
      log.debug({ err: error, upstream: this.#upstream.name }, "a feed was interrupted");
      return;
    }
    log.warn({ err: error, upstream: this.#upstream.name }, "a feed is lost; its subscribers end");
    this.#upstream.lost(tellable(error, this.#upstream.name));
  }
}

/** Subscribers are told what they can act upon; what else is wrong between services is not theirs. */
function tellable(error: unknown, name: ServiceName): unknown {
  if (hasReason(error, "RESUME_TOKEN_EXPIRED", "QUOTA")) return error;
  return storeUnavailable(`${name} cannot be followed now`, error, name);
}
