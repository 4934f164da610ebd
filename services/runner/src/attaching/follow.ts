import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  type AttachTurnResponse,
  AttachTurnResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { firstStreamSeq } from "../domain/stream-seq.ts";
import { isTerminal } from "../domain/turn-state.ts";
import { LIMITS } from "../limits.ts";
import type { Position } from "../store/lanes/read-position.ts";
import { readTurn } from "../store/attaching/read-turn.ts";
import type { StoredTurn } from "../store/turn-row.ts";
import type { RunnerDeps } from "../deps.ts";
import type { LanePositions } from "./lane-positions.ts";
import type { StreamHub } from "./stream-hub.ts";
import type { Tail, TailUpdate } from "./tail.ts";
import { endedFrom } from "./turn-ended.ts";
import type { ReadOptions } from "./turn-stream.ts";
import { untilAny } from "./until-any.ts";

export interface FollowParts {
  readonly deps: Pick<RunnerDeps, "db" | "clock">;
  readonly hub: StreamHub;
  readonly tail: Tail;
  readonly positions: LanePositions;
  /** The lane of a waiting turn whose caller is here has no holder. */
  readonly onFreeLane: (tenant: string, sessionKey: string) => void;
  /** After how long a waiting caller is told that the agent is busy; undefined: never. */
  readonly busyHintMs: (tenant: string, sessionKey: string) => Promise<number | undefined>;
}

type Event = AttachTurnResponse;
type Followed = Pick<StoredTurn, "tenant" | "turnId" | "sessionKey">;

/**
 * What a turn's caller is told, wherever it runs: from this replica's memory while it runs here, from
 * the table otherwise, across takeovers, up to `ended`. Who is patient is woken by no text that comes word by word.
 */
export async function* follow(
  parts: FollowParts,
  turn: Followed,
  afterSeq: bigint,
  signal: AbortSignal,
  options: ReadOptions = {},
): AsyncGenerator<Event> {
  const told = new Told(parts, turn, afterSeq, options);
  for (let withinMs = 0; !told.isOver; ) {
    const stream = parts.hub.get(turn.turnId);
    if (stream !== undefined) {
      for await (const event of stream.read(told.lastSeq, signal, options)) yield told.note(event);
      withinMs = 0;
      if (!told.isOver)
        yield* told.fromTail(await lookOrOpen(parts, told, withinMs, signal), signal);
      continue;
    }
    yield* told.fromTail(await lookOrOpen(parts, told, withinMs, signal), signal);
    withinMs = told.pollMs;
  }
}

/** Undefined: the turn was claimed by this replica meanwhile, whose memory is the better source. */
async function lookOrOpen(
  { hub, tail }: FollowParts,
  { turn, lastSeq }: Told,
  withinMs: number,
  signal: AbortSignal,
): Promise<TailUpdate | undefined> {
  signal.throwIfAborted();
  const { tenant, turnId } = turn;
  const looked = tail.look({ tenant, turnId, afterSeq: lastSeq }, withinMs);
  let stop = (): void => undefined;
  const other = new Promise<undefined>((resolve, reject) => {
    const left = (): void => reject(signal.reason);
    const forget = hub.onOpen(turnId, () => resolve(undefined));
    signal.addEventListener("abort", left, { once: true });
    stop = () => {
      forget();
      signal.removeEventListener("abort", left);
    };
  });
  try {
    return await untilAny(looked.update, other);
  } finally {
    stop();
    looked.cancel();
  }
}

/** What one attachment was told so far. */
class Told {
  readonly turn: Followed;
  readonly #parts: FollowParts;
  readonly #options: ReadOptions;
  lastSeq: bigint;
  isOver = false;
  #position: number | undefined;
  #positionAtMs = Number.NEGATIVE_INFINITY;
  /** When the busy hint is due, once that is known. */
  #hintAtMs: number | undefined;
  #isHinted = false;

  constructor(parts: FollowParts, turn: Followed, afterSeq: bigint, options: ReadOptions) {
    this.#parts = parts;
    this.#options = options;
    this.turn = turn;
    this.lastSeq = afterSeq;
  }

  /** Who stands far behind is looked at less often: a thousand may wait in one lane. */
  get pollMs(): number {
    const ms = (this.#position ?? 0) * LIMITS.tailPollMsPerTurn;
    return Math.min(Math.max(ms, LIMITS.tailPollMs), LIMITS.farTailPollMs);
  }

  note(event: Event): Event {
    if (event.streamSeq > this.lastSeq) this.lastSeq = event.streamSeq;
    if (event.event.case === "ended") this.isOver = true;
    return event;
  }

  async *fromTail(update: TailUpdate | undefined, signal: AbortSignal): AsyncGenerator<Event> {
    if (update === undefined) return;
    for (const event of update.events) yield this.note(event);
    if (update.state === "QUEUED") yield* this.#waiting(update);
    // A full page may have more behind it: the turn's end is told after all of it.
    if (isTerminal(update.state) && update.isWhole) yield* this.#end(signal);
  }

  async *#waiting(update: TailUpdate): AsyncGenerator<Event> {
    const { deps, onFreeLane } = this.#parts;
    const { tenant, turnId } = this.turn;
    const { sessionKey, laneIsFree } = update;
    if (sessionKey === undefined) return;
    if (laneIsFree) onFreeLane(tenant, sessionKey);
    const now = deps.clock.monotonicMs();
    const isDue = this.#hintAtMs !== undefined && !this.#isHinted && now >= this.#hintAtMs;
    if (now - this.#positionAtMs < LIMITS.positionMs && !isDue) return;
    this.#positionAtMs = now;
    const found = await this.#parts.positions.of(tenant, sessionKey, turnId);
    if (found === undefined) return;
    const isHint = await this.#isHintDue(found.waitedMs, sessionKey);
    if (found.position === this.#position && !isHint) return;
    this.#position = found.position;
    this.#isHinted ||= isHint;
    yield queued(found, isHint);
  }

  async #isHintDue(waitedMs: number, sessionKey: string): Promise<boolean> {
    if (this.#isHinted) return false;
    const { busyHintMs, deps } = this.#parts;
    const hintMs = await busyHintMs(this.turn.tenant, sessionKey);
    if (hintMs === undefined) return false;
    this.#hintAtMs = deps.clock.monotonicMs() + hintMs - waitedMs;
    return waitedMs >= hintMs;
  }

  async *#end(signal: AbortSignal): AsyncGenerator<Event> {
    const turn = await readTurn(this.#parts.deps.db, this.turn.tenant, this.turn.turnId);
    if (turn === undefined) throw new Error(`turn ${this.turn.turnId} is gone`);
    if (turn.state === "COALESCED" && turn.intoTurnId !== undefined) {
      yield* this.#host(turn.intoTurnId, signal);
      return;
    }
    const seq = turn.endedStreamSeq ?? firstStreamSeq(1);
    const streamSeq = seq > this.lastSeq ? seq : this.lastSeq + 1n;
    yield this.note(response(streamSeq, { case: "ended", value: endedFrom(turn) }));
  }

  /** Each caller of a coalesced turn gets the outcome of the turn that answers it in the end. */
  async *#host(hostTurnId: string, signal: AbortSignal): AsyncGenerator<Event> {
    const host = { ...this.turn, turnId: hostTurnId };
    for await (const event of follow(this.#parts, host, this.lastSeq, signal, this.#options)) {
      yield this.note(answeredBy(hostTurnId, event));
    }
  }
}

/** The host's callers read the same event: theirs does not name it. */
function answeredBy(hostTurnId: string, told: Event): Event {
  if (told.event.case !== "ended") return told;
  const { value: ended } = told.event;
  const value = { ...ended, intoTurnId: ended.intoTurnId || hostTurnId };
  return response(told.streamSeq, { case: "ended", value });
}

function queued(
  { position, holderRunId, heartbeatAgeMs, waitedMs }: Position,
  isBusyHint: boolean,
): Event {
  const age =
    heartbeatAgeMs === undefined
      ? {}
      : { holderHeartbeatAge: durationFromMs(Math.round(heartbeatAgeMs)) };
  const waited = durationFromMs(Math.max(0, Math.round(waitedMs)));
  const value = { position, holderRunId: holderRunId ?? "", ...age, waited, isBusyHint };
  return response(0n, { case: "queued", value });
}

function response(
  streamSeq: bigint,
  event: NonNullable<MessageInitShape<typeof AttachTurnResponseSchema>["event"]>,
): Event {
  return create(AttachTurnResponseSchema, { streamSeq, event });
}
