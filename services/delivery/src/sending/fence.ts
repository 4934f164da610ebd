import type { IdentityClient } from "@lanekeeper/client";
import { StaleFenceSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { hasReason, isRetryable, LanekeeperError } from "@lanekeeper/rpc";
import type { Clock } from "@lanekeeper/service";
import { FENCES_PER_ATTEMPT, sendingSeq } from "../domain/event-seq.ts";
import type { Limits } from "../limits.ts";
import type { Claimed } from "../store/sending/claimed.ts";
import { NotSentError } from "./channel.ts";
import { replyCall, replyWriter } from "./reply-call.ts";

export interface FenceDeps {
  readonly identity: Pick<IdentityClient, "writeLifecycle" | "checkFence">;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly limits: Pick<Limits, "fenceLift" | "fenceMs" | "leaseMs" | "postMs">;
}

/** The fence of one attempt: whether this reply may go out, asked right before the first byte. */
export class SendFence {
  readonly #deps: FenceDeps;
  readonly #claimed: Claimed;
  readonly #claimedAtMs: number;
  #wasAccepted = false;

  /** @param claimedAtMs monotonic, from before the claim was asked for, so that no lease is overrated */
  constructor(deps: FenceDeps, claimed: Claimed, claimedAtMs: number) {
    this.#deps = deps;
    this.#claimed = claimed;
    this.#claimedAtMs = claimedAtMs;
  }

  /** session-identity accepted a `sending` of this attempt. */
  get wasAccepted(): boolean {
    return this.#wasAccepted;
  }

  /**
   * Shows the fence; shows it again where the answer has grown old by the time that it is read, since
   * the session may have been reset meanwhile. @throws NotSentError
   */
  async show(): Promise<void> {
    const { clock, limits } = this.#deps;
    for (let showing = 1; showing <= FENCES_PER_ATTEMPT; showing++) {
      this.#checkTime();
      const sentAtMs = clock.monotonicMs();
      await this.#write(showing);
      this.#wasAccepted = true;
      if (clock.monotonicMs() - sentAtMs <= limits.fenceMs) return;
    }
    throw new NotSentError("unavailable", "session-identity answered too late to be relied upon");
  }

  /**
   * Why this reply may go out no more, without a claim to send it: for an attempt that did not come so far
   * as to claim. Undefined: it may, or nobody could say.
   */
  async staleness(): Promise<NotSentError | undefined> {
    const { identity, limits } = this.#deps;
    const call = replyCall(this.#claimed, limits.fenceMs);
    try {
      await identity.checkFence({ writer: replyWriter(this.#claimed) }, call);
      return undefined;
    } catch (error) {
      return hasReason(error, "STALE_GENERATION") ? this.#notSent(error) : undefined;
    }
  }

  #checkTime(): void {
    const { clock, limits } = this.#deps;
    const ageMs = clock.monotonicMs() - this.#claimedAtMs;
    if (ageMs >= this.#claimed.expiresInMs) throw expired();
    if (ageMs > limits.leaseMs - limits.postMs) {
      throw new NotSentError("unavailable", "the claim's lease is nearly over");
    }
  }

  async #write(showing: number): Promise<void> {
    const { identity, limits } = this.#deps;
    const { attempt } = this.#claimed;
    const event = { case: "sending", value: { attempt } } as const;
    const request = {
      writer: replyWriter(this.#claimed),
      eventSeq: sendingSeq(attempt, showing),
      event,
    };
    try {
      await identity.writeLifecycle(request, replyCall(this.#claimed, limits.fenceMs));
    } catch (error) {
      throw this.#notSent(error);
    }
  }

  #notSent(error: unknown): NotSentError {
    const { fenceLift } = this.#deps.limits;
    return notSent(error, generationNow(error) - this.#claimed.generation >= fenceLift);
  }
}

/** As a refusal tells it; 0: it does not. */
function generationNow(error: unknown): bigint {
  const stale = error instanceof LanekeeperError ? error.detail(StaleFenceSchema) : undefined;
  return stale?.current?.session?.generation ?? 0n;
}

/** Past its expire_time a reply is a dead letter, not sent late. */
export function expired(): NotSentError {
  return new NotSentError("expired", "its expire_time has passed");
}

/** What session-identity's refusal means. What no service decided, or a defect, may be gone next time. */
function notSent(error: unknown, wasRaised: boolean): NotSentError {
  const message = error instanceof Error ? error.message : String(error);
  if (hasReason(error, "STALE_GENERATION"))
    return new NotSentError(wasRaised ? "raised" : "stale", message, error);
  if (hasReason(error, "SUPERSEDED")) return new NotSentError("already_sent", message, error);
  if (isForGood(error)) return new NotSentError("refused", message, error);
  return new NotSentError("unavailable", message, error);
}

/** The same event will be refused again. Credentials and defects are mended without the reply's doing. */
export function isForGood(error: unknown): boolean {
  if (!(error instanceof LanekeeperError) || isRetryable(error)) return false;
  if (hasReason(error, "UNAUTHENTICATED", "PERMISSION_DENIED", "INTERNAL")) return false;
  return error.row.shouldRetry === "no";
}
