import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type CallOptions,
  Code,
  hasReason,
  isRetryable,
  LanekeeperError,
  RpcError,
  silentService,
  storeUnavailable,
  toStatus,
} from "@lanekeeper/rpc";
import { backoffMs, type Clock, type LinkedSignal, linkedSignal } from "@lanekeeper/service";
import type {
  AttachTurnRequestSchema,
  AttachTurnResponse,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { IngressLimits } from "../limits.ts";
import type { RunnerClient } from "@lanekeeper/client";
import { waitExpired } from "./wait-expired.ts";

/** What attaching needs. */
export interface Attaching {
  readonly runner: Pick<RunnerClient, "attachTurn">;
  readonly clock: Clock;
  readonly limits: Pick<
    IngressLimits,
    "admissionTimeoutMs" | "attachAttemptMs" | "reattachTimeoutMs" | "reattachBackoffMs"
  >;
}

export type AttachTarget = NonNullable<MessageInitShape<typeof AttachTurnRequestSchema>["target"]>;

/** A call that follows a turn. */
export interface AttachCall extends CallOptions {
  readonly signal: AbortSignal;
  /** `ended` brings it; its pieces are not wanted. */
  readonly wholeAnswer: boolean;
}

/** One event of a turn; `ended` comes last, `accepted` first and once. */
export type TurnEvent = AttachTurnResponse["event"];

/**
 * The events of a turn, from whichever replica serves them. A stream that breaks is attached to
 * again after the last event that came: the turn was accepted and goes on without its caller. Before
 * `accepted` the same submission is sent again, which its idempotency key makes one.
 * @throws STORE_UNAVAILABLE if no replica accepts the turn in time, WAIT_EXPIRED if none serves an
 * accepted one in time, the reason of `signal` when it is aborted, and what the runner refuses with.
 */
export async function* attachTurn(
  deps: Attaching,
  target: AttachTarget,
  call: AttachCall,
): AsyncGenerator<TurnEvent, void> {
  const place = new Place(deps, target);
  for (;;) {
    try {
      for await (const { event, streamSeq } of place.open(call)) {
        if (place.advance(event, streamSeq)) yield event;
        if (event.case === "ended") return;
      }
      place.broke(new RpcError(Code.UNAVAILABLE, "the stream ended before its turn"));
    } catch (error) {
      if (call.signal.aborted) throw call.signal.reason;
      if (!isBroken(error)) throw error;
      place.broke(error);
    }
    await pause(deps, place.failures, call.signal);
  }
}

/** An attempt that held this long was no failure, even if nothing happened to the turn meanwhile. */
const HELD_MS = 5_000;

/** How far the reading has come, and for how long it has been broken. */
class Place {
  readonly #deps: Attaching;
  #target: AttachTarget;
  #afterStreamSeq = 0n;
  /** Of a turn that was accepted, as the target says or `accepted` did. */
  #turnId: string | undefined;
  #wasTold = false;
  #openedMs = 0;
  #brokenSinceMs: number | undefined;
  #failures = 0;

  constructor(deps: Attaching, target: AttachTarget) {
    this.#deps = deps;
    this.#target = target;
    if (target.case === "turnId") this.#turnId = target.value;
  }

  /** Attempts in a row that brought nothing. */
  get failures(): number {
    return this.#failures;
  }

  /** One attempt. */
  open({ wholeAnswer, ...call }: AttachCall): AsyncIterable<AttachTurnResponse> {
    this.#openedMs = this.#deps.clock.monotonicMs();
    this.#brokenSinceMs ??= this.#openedMs;
    const request = { target: this.#target, afterStreamSeq: this.#afterStreamSeq, wholeAnswer };
    const attach = (signal: AbortSignal) =>
      this.#deps.runner.attachTurn(request, { ...call, signal, retry: false });
    return answering(this.#deps, attach, call.signal);
  }

  /** Takes note of an event. False: it was told before. */
  advance(event: TurnEvent, streamSeq: bigint): boolean {
    if (streamSeq > this.#afterStreamSeq) {
      this.#afterStreamSeq = streamSeq;
      this.#heal();
    }
    if (event.case !== "accepted") return event.case !== undefined;
    const isFirst = !this.#wasTold;
    if (isFirst) this.#heal();
    this.#wasTold = true;
    this.#turnId = event.value.turnId;
    this.#target = { case: "turnId", value: event.value.turnId };
    return isFirst;
  }

  /** @throws when it has been broken for too long. */
  broke(cause: unknown): void {
    const { limits, clock } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (this.#turnId !== undefined && nowMs - this.#openedMs >= HELD_MS) this.#heal();
    this.#failures += 1;
    this.#brokenSinceMs ??= nowMs;
    const brokenMs = nowMs - this.#brokenSinceMs;
    if (this.#turnId === undefined) {
      if (brokenMs < limits.admissionTimeoutMs) return;
      throw storeUnavailable(`no runner answered in time${because(cause)}`, cause, "runner");
    }
    if (brokenMs >= limits.reattachTimeoutMs) throw unreachable(this.#turnId, cause);
  }

  #heal(): void {
    this.#brokenSinceMs = undefined;
    this.#failures = 0;
  }
}

/** A replica that takes the call and then says nothing, not even `accepted`, is given up on. */
async function* answering(
  { clock, limits }: Attaching,
  open: (signal: AbortSignal) => AsyncIterable<AttachTurnResponse>,
  signal: AbortSignal,
): AsyncGenerator<AttachTurnResponse, void> {
  const linked = linkedSignal(signal);
  const timer = clock.setTimer(limits.attachAttemptMs, () =>
    linked.abort(new RpcError(Code.DEADLINE_EXCEEDED, "the runner did not answer in time")),
  );
  const stream = open(linked.signal)[Symbol.asyncIterator]();
  let isOver = false;
  try {
    while (!isOver) {
      const { done, value } = await stream.next();
      if (done === true) return;
      timer.cancel();
      isOver = value.event.case === "ended";
      if (isOver) letEnd(stream, clock, linked);
      yield value;
    }
  } finally {
    timer.cancel();
    if (!isOver) {
      await stream.return?.();
      linked[Symbol.dispose]();
    }
  }
}

/** What follows `ended` is the end of the call, which comes with it. */
const END_MS = 1_000;

/** A call that is cut off behind its last event is a failed one, on both sides. */
function letEnd(
  stream: AsyncIterator<AttachTurnResponse>,
  clock: Clock,
  linked: LinkedSignal,
): void {
  const timeUp = clock.setTimer(END_MS, () => linked.abort());
  const ended = (): void => {
    timeUp.cancel();
    linked[Symbol.dispose]();
  };
  void stream.next().then(ended, ended);
}

function pause({ clock, limits }: Attaching, failures: number, signal: AbortSignal): Promise<void> {
  const { first, longest } = limits.reattachBackoffMs;
  return clock.sleep(backoffMs(failures - 1, { baseMs: first, maxMs: longest }), signal);
}

/**
 * Whether attaching again can help. A connection that dies under a stream shows as any of these
 * codes, by how it died; a refusal always carries a reason.
 */
export function isBroken(error: unknown): boolean {
  if (isRetryable(error) || hasReason(error, "SLOW_CONSUMER")) return true;
  if (!(error instanceof RpcError) || error instanceof LanekeeperError) return false;
  return BROKEN_CODES.has(error.code);
}

const BROKEN_CODES: ReadonlySet<number> = new Set([
  Code.CANCELLED,
  Code.UNKNOWN,
  Code.INTERNAL,
  Code.DATA_LOSS,
]);

function unreachable(turnId: string, cause: unknown): LanekeeperError {
  const what = `the turn ${turnId} was accepted, but no runner can be reached${because(cause)}`;
  return waitExpired(turnId, what, { cause, service: silentService(cause) ?? "runner" });
}

/** In words that may go outside: of what is no refusal the text tells addresses. */
function because(cause: unknown): string {
  return silentService(cause) === undefined ? "" : `: ${toStatus(cause).message}`;
}
