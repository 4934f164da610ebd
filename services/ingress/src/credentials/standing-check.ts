import type { Clock, ClockTimer } from "@lanekeeper/service";
import type { IngressLimits } from "../limits.ts";
import type { Credential } from "./credential.ts";
import type { Entrance } from "./entrance.ts";

/** What looking again needs. */
export interface StandingDeps {
  readonly credentials: Pick<Entrance, "recheck">;
  readonly clock: Clock;
  readonly limits: Pick<IngressLimits, "streamCredentialMs">;
}

/**
 * Looks again and again whether the credential that opened a stream is still good, until it is not, or
 * the stream is over.
 */
export class StandingCheck implements Disposable {
  readonly #deps: StandingDeps;
  readonly #credential: Credential;
  #timer: ClockTimer;
  #isOver = false;
  /** Set once it is good no longer. */
  #refusal: { readonly error: unknown } | undefined;
  #onRefused: (error: unknown) => void = () => undefined;

  constructor(deps: StandingDeps, credential: Credential) {
    this.#deps = deps;
    this.#credential = credential;
    this.#timer = this.#later();
  }

  /** Told once: at once where it is refused already. Only the last one that is given is told. */
  onRefused(tell: (error: unknown) => void): void {
    this.#onRefused = tell;
    if (this.#refusal !== undefined) tell(this.#refusal.error);
  }

  /** The work's result. @throws the refusal as soon as there is one: UNAUTHENTICATED, STORE_UNAVAILABLE */
  race<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.onRefused(reject);
      work.then(resolve, reject);
    });
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#timer.cancel();
  }

  #later(): ClockTimer {
    const { clock, limits } = this.#deps;
    return clock.setTimer(limits.streamCredentialMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    try {
      await this.#deps.credentials.recheck(this.#credential);
      if (!this.#isOver) this.#timer = this.#later();
    } catch (error) {
      this.#refusal = { error };
      this.#onRefused(error);
    }
  }
}
