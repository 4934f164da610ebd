/**
 * How long a peer has not been heard, counted in looks that were taken while it owed an answer. A process
 * that stood still itself takes no looks, and reads what came before it takes the next but one: it does not
 * mistake its own silence for the peer's.
 */
export class Silence {
  readonly #pingAt: number;
  readonly #silentAt: number;
  #looks = 0;

  constructor(limits: { readonly silentMs: number; readonly answerMs: number }, lookMs: number) {
    this.#pingAt = Math.max(1, Math.ceil(limits.silentMs / lookMs));
    this.#silentAt = this.#pingAt + Math.max(2, Math.ceil(limits.answerMs / lookMs));
  }

  /** It was asked whether it is there, and has not answered within the time for that. */
  get isSilent(): boolean {
    return this.#looks >= this.#silentAt;
  }

  heard(): void {
    this.#looks = 0;
  }

  /** It is asked now, without being waited for first. */
  asked(): void {
    this.#looks = Math.max(this.#looks, this.#pingAt);
  }

  /** One more look; true: now it is to be asked whether it is there. */
  look(): boolean {
    if (!this.isSilent) this.#looks += 1;
    return this.#looks === this.#pingAt;
  }
}
