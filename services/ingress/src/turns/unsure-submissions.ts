import { type Caller, LanekeeperError } from "@lanekeeper/rpc";
import { type Clock, keepNewest } from "@lanekeeper/service";
import type { IngressLimits } from "../limits.ts";

/** A request, as a retry of it is known. */
export interface UnsureRequest {
  readonly caller: Caller;
  readonly fingerprint: Uint8Array;
}

interface Unsure {
  readonly idempotencyKey: string;
  readonly notedMs: number;
  /** Ends when the runner has recorded that its caller was cut off, or will not soon. */
  recorded?: Promise<void>;
}

/**
 * Submissions whose callers do not know what became of them. No runner answered, and one may have accepted
 * before it fell silent; or the caller was cut off, which the runner may not have recorded when its retry comes
 * (the openai package retries after 0.4 to 0.5 s). A retry that says that it is one, and shows no key of its
 * own, is submitted under the key that the first one had, and so joins its turn or is accepted now. Remembered
 * by this replica alone, and not over its end; whoever was told the key may show it to any, and of a caller who
 * was cut off the runner knows by then.
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
   * The key of an equal request that was noted a while ago at most. Given once the runner has recorded that its
   * caller was cut off: a record that came after the retry would make the turn look abandoned again.
   */
  async keyOf(request: UnsureRequest): Promise<string | undefined> {
    const noted = this.#noted.get(nameOf(request));
    if (noted === undefined) return undefined;
    const ageMs = this.#clock.monotonicMs() - noted.notedMs;
    if (ageMs > this.#limits.unsureSubmissionsMs) return undefined;
    await noted.recorded;
    return noted.idempotencyKey;
  }

  #keep(request: UnsureRequest, idempotencyKey: string): void {
    const noted = { idempotencyKey, notedMs: this.#clock.monotonicMs() };
    keepNewest(this.#noted, nameOf(request), noted, this.#limits.unsureSubmissions);
  }
}

function nameOf({ caller, fingerprint }: UnsureRequest): string {
  const { tenant, principal } = caller;
  return JSON.stringify([tenant, principal, Buffer.from(fingerprint).toString("base64")]);
}
