import type { IdentityClient } from "@lanekeeper/client";
import { boundedSignal, type Clock, inTrace, keepNewest, type Log } from "@lanekeeper/service";
import type { Limits } from "../limits.ts";
import type { Channel, HintPhase } from "../sending/channel.ts";
import { replyCall, replyWriter } from "../sending/reply-call.ts";
import { readHintPlace } from "../store/routes/read-hint-place.ts";
import type { Sql } from "../store/sql.ts";

export interface HintDeps {
  readonly db: Sql;
  readonly identity: Pick<IdentityClient, "checkFence">;
  /** By RouteKind. */
  readonly channels: ReadonlyMap<number, Channel>;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly log: Log;
  readonly limits: Pick<
    Limits,
    "hintEveryMs" | "hintMs" | "hintsAtOnce" | "hintMuteMs" | "hintPlaces" | "fenceMs"
  >;
}

/** What a turn does, where its reply will go. */
export interface Hint {
  readonly tenant: string;
  readonly routeId: string;
  readonly sessionKey: string;
  readonly sessionId: string;
  readonly generation: bigint;
  readonly turnId: string;
  readonly principal: string;
  readonly requestLabel: string;
  readonly traceparent: string;
  readonly phase: HintPhase;
}

/**
 * Shows people that something happens. Hints are the least of all things here: they hold no place in a
 * queue, no connection that a reply waits for, and nothing is written for them; one that is too early,
 * too many or stale is dropped, and no failure is anybody's but its own.
 */
export class Hints implements AsyncDisposable {
  readonly #deps: HintDeps;
  /** By route: before that, on the monotonic clock, no other. The oldest are forgotten first. */
  readonly #notBefore = new Map<string, number>();
  readonly #showing = new Set<Promise<void>>();
  readonly #cut = new AbortController();

  constructor(deps: HintDeps) {
    this.#deps = deps;
  }

  /** Returns at once. */
  show(hint: Hint): void {
    const { limits, clock } = this.#deps;
    const route = `${hint.tenant}\n${hint.routeId}`;
    if (this.#cut.signal.aborted || this.#showing.size >= limits.hintsAtOnce) return;
    if (clock.monotonicMs() < (this.#notBefore.get(route) ?? Number.NEGATIVE_INFINITY)) return;
    this.#pause(route, limits.hintEveryMs);
    const shown = this.#show(hint, route)
      .catch((err: unknown) => {
        inTrace(this.#deps.log, hint.traceparent).debug({ err }, "a hint was not shown");
      })
      .finally(() => this.#showing.delete(shown));
    this.#showing.add(shown);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cut.abort(new Error("the process ends"));
    await Promise.all(this.#showing);
  }

  async #show(hint: Hint, route: string): Promise<void> {
    const { db, channels, limits } = this.#deps;
    const place = await readHintPlace(db, hint);
    if (place === undefined) return;
    const channel = channels.get(place.kind);
    if (channel?.hint === undefined) return this.#pause(route, limits.hintMuteMs);
    if (!(await this.#isCurrent(hint))) return;
    const signal = boundedSignal(this.#cut.signal, limits.hintMs);
    const outcome = await channel.hint({ tenant: hint.tenant, ...place }, hint.phase, signal);
    if (outcome.kind === "refused") this.#pause(route, limits.hintMuteMs);
    if (outcome.kind === "failed") {
      this.#pause(route, Math.max(limits.hintEveryMs, outcome.retryAfterMs ?? 0));
    }
  }

  /** A session that was reset away shows nothing any more. */
  async #isCurrent(hint: Hint): Promise<boolean> {
    const { identity, limits } = this.#deps;
    // A reply in the making has no id yet; only the generation is judged.
    const writer = replyWriter({ ...hint, fenceId: hint.turnId });
    const call = {
      ...replyCall({ ...hint, fenceId: hint.turnId }, limits.hintMs),
      retry: false as const,
    };
    return identity.checkFence({ writer }, call).then(
      () => true,
      () => false,
    );
  }

  #pause(route: string, ms: number): void {
    const { clock, limits } = this.#deps;
    keepNewest(this.#notBefore, route, clock.monotonicMs() + ms, limits.hintPlaces);
  }
}
