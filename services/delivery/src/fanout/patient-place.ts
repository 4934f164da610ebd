import type { Clock, ClockTimer } from "@lanekeeper/service";
import type { Turnstile } from "@lanekeeper/service";

interface PatienceDeps {
  readonly turnstile: Turnstile;
  readonly clock: Pick<Clock, "monotonicMs" | "setTimer">;
  /** How long its reader may take over what it is told, all together, before the place is given back. */
  readonly patienceMs: number;
}

/**
 * A place at the turnstile whose holder waits for a reader between two reads. What the reader takes longer over
 * than there is patience for, it takes without the place, and then waits for one behind the others.
 */
export class PatientPlace {
  readonly #deps: PatienceDeps;
  #leave: (() => void) | undefined;
  #leftMs = 0;

  constructor(deps: PatienceDeps) {
    this.#deps = deps;
  }

  /** Has the place, at once where it was not given back. @throws the signal's reason */
  async take(signal: AbortSignal): Promise<void> {
    if (this.#leave !== undefined) return;
    this.#leave = await this.#deps.turnstile.enter(signal);
    this.#leftMs = this.#deps.patienceMs;
  }

  /** The reader has been told something; called when it is back for more. */
  lend(): () => void {
    const { clock } = this.#deps;
    const sinceMs = clock.monotonicMs();
    const timer: ClockTimer = clock.setTimer(Math.max(0, this.#leftMs), () => this.leave());
    return () => {
      timer.cancel();
      this.#leftMs -= clock.monotonicMs() - sinceMs;
    };
  }

  leave(): void {
    this.#leave?.();
    this.#leave = undefined;
  }
}
