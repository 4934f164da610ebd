import { type Caller, LanekeeperError } from "@lanekeeper/rpc";
import { type Clock, keepNewest } from "@lanekeeper/service";
import type { IngressLimits } from "../limits.ts";

/** A request, as a retry of it is known. */
export interface UnsureRequest {
  readonly caller: Caller;
  /** The digest of what was sent (`sent-as.ts`). */
  readonly sent: string;
  /** When it came, in monotonic milliseconds, if the client does not say that it asked before. */
  readonly firstTryMs: number | undefined;
}

/** What is known of the first try of a retry. */
export interface FirstTry {
  /** Under which it was submitted; undefined: it was refused before, or its turn is known. */
  readonly idempotencyKey: string | undefined;
  /** How long ago it came; undefined: it came elsewhere, or never arrived. */
  readonly ageMs: number | undefined;
}

interface Unsure {
  readonly idempotencyKey: string | undefined;
  readonly firstTryMs: number | undefined;
  readonly notedMs: number;
  /** Ends when the runner has recorded that its caller was cut off, or will not soon. */
  recorded?: Promise<void>;
}

/**
 * Requests whose callers have no turn, or do not know of one: no runner answered, and one may have accepted
 * before it fell silent; or the caller was cut off, which the runner may not have recorded when its retry comes
 * (the openai package retries after 0.4 to 0.5 s); or it was refused for a while. A retry that says that it is one,
 * and shows no key of its own, is submitted under the key that the first one had, and so joins its turn or is
 * accepted now; and it joins no turn from before its first try: that says something anew, and is the last try that
 * came. Remembered by this replica alone, and not over its end; whoever was told the key may show it to any, and
 * of a caller who was cut off the runner knows by then.
 */
export class UnsureSubmissions {
  readonly #clock: Clock;
  readonly #limits: Pick<IngressLimits, "unsureSubmissions" | "unsureSubmissionsMs">;
  readonly #noted = new Map<string, Unsure>();

  constructor(
    clock: Clock,
    limits: Pick<IngressLimits, "unsureSubmissions" | "unsureSubmissionsMs">,
  ) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** A first try has come: what is retried from here on is this one, and none that was the same before. */
  began(request: UnsureRequest): void {
    if (request.firstTryMs !== undefined) this.#noted.delete(nameOf(request));
  }

  /** Takes note of it. The error is what its caller is told: it names who was silent, as the cause does. */
  note(request: UnsureRequest, idempotencyKey: string, cause: LanekeeperError): LanekeeperError {
    this.#keep(request, idempotencyKey);
    const message =
      `${cause.message}; whether the turn was accepted is not known; ask again with the ` +
      `Idempotency-Key ${idempotencyKey}, which joins it if it was`;
    const metadata = { ...cause.metadata, idempotency_key: idempotencyKey };
    return new LanekeeperError("STORE_UNAVAILABLE", message, { cause, metadata });
  }

  /** Its caller left before the answer was written whole, perhaps before there was a turn. */
  cutOff(request: UnsureRequest, idempotencyKey: string): void {
    this.#keep(request, idempotencyKey);
  }

  /** It was refused without a turn: its retries are of a try that has none. */
  refused(request: UnsureRequest): void {
    const { firstTryMs } = request;
    if (firstTryMs === undefined) return;
    const noted = this.#noted.get(nameOf(request));
    // Of an equal one that came later, or of itself, with a key.
    const isOlder = noted?.firstTryMs === undefined || noted.firstTryMs < firstTryMs;
    if (isOlder && this.#hasRoomForRefusals()) this.#keep(request, undefined);
  }

  /** The runner is being told so; `recorded` ends soon, and never rejects. */
  reporting(request: UnsureRequest, recorded: Promise<void>): void {
    const noted = this.#noted.get(nameOf(request));
    if (noted !== undefined) noted.recorded = recorded;
  }

  /**
   * Its turn is known: a caller who is cut off from here on is the runner's to know again. An equal request
   * that is a retry of something later is not taken for a retry of this one.
   */
  accepted(request: UnsureRequest, idempotencyKey: string): void {
    const name = nameOf(request);
    if (this.#noted.get(name)?.idempotencyKey === idempotencyKey) this.#noted.delete(name);
  }

  /**
   * The first try of a retry, of those that were noted a while ago at most. Given once the runner has recorded that
   * its caller was cut off: a record that came after the retry would make the turn look abandoned again.
   */
  async firstTryOf(request: UnsureRequest): Promise<FirstTry | undefined> {
    const noted = this.#noted.get(nameOf(request));
    if (noted === undefined) return undefined;
    const { idempotencyKey, firstTryMs, notedMs, recorded } = noted;
    if (this.#clock.monotonicMs() - notedMs > this.#limits.unsureSubmissionsMs) return undefined;
    await recorded;
    const ageMs = firstTryMs === undefined ? undefined : this.#clock.monotonicMs() - firstTryMs;
    return { idempotencyKey, ageMs };
  }

  /** A flood that is refused leaves room for those that may have been accepted. */
  #hasRoomForRefusals(): boolean {
    const nowMs = this.#clock.monotonicMs();
    for (const [name, { notedMs }] of this.#noted) {
      if (nowMs - notedMs <= this.#limits.unsureSubmissionsMs) break;
      this.#noted.delete(name);
    }
    return this.#noted.size < this.#limits.unsureSubmissions / 2;
  }

  /** A retry is of the first try that is known. */
  #keep(request: UnsureRequest, idempotencyKey: string | undefined): void {
    const name = nameOf(request);
    const firstTryMs = request.firstTryMs ?? this.#noted.get(name)?.firstTryMs;
    const noted = { idempotencyKey, firstTryMs, notedMs: this.#clock.monotonicMs() };
    keepNewest(this.#noted, name, noted, this.#limits.unsureSubmissions);
  }
}

function nameOf({ caller, sent }: UnsureRequest): string {
  const { tenant, principal } = caller;
  return JSON.stringify([tenant, principal, sent]);
}
