import type { ClockTimer } from "@lanekeeper/service";
import { claimDue } from "../store/sending/claim-due.ts";
import type { Claimed } from "../store/sending/claimed.ts";
import type { DeliveryDatabase } from "../store/sql.ts";
import { type NextClaim, runAttempt, type SendDeps } from "./run-attempt.ts";
import { Wakeup } from "./wakeup.ts";

export interface PumpDeps extends SendDeps {
  /** Where claims are made. */
  readonly claimDb: DeliveryDatabase;
  /** Of this process. */
  readonly replica: string;
}

/** Claims what is due and sends it. Any number of pumps, in any number of processes, share the work. */
export class Pump implements AsyncDisposable {
  readonly #deps: PumpDeps;
  readonly #wakeup: Wakeup;
  readonly #sends = new Set<Promise<void>>();
  readonly #timers = new Set<ClockTimer>();
  readonly #cut = new AbortController();
  #isStopping = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(deps: PumpDeps) {
    this.#deps = deps;
    this.#wakeup = new Wakeup(deps.clock);
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Something may be due: looks now instead of at the next poll. */
  nudge(): void {
    this.#wakeup.wake();
  }

  /** Claims nothing more and lets what is being sent finish; `signal` cuts it off. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#stop();
    const cut = (): void => this.#cut.abort(signal.reason);
    signal.addEventListener("abort", cut, { once: true });
    if (signal.aborted) cut();
    await this.#idle();
    signal.removeEventListener("abort", cut);
  }

  /** Cuts off what is being sent, which is UNKNOWN then. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    this.#cut.abort(new Error("the process ends"));
    await this.#idle();
  }

  #stop(): void {
    this.#isStopping = true;
    this.#wakeup.wake();
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }

  async #idle(): Promise<void> {
    await this.#loop;
    await Promise.all(this.#sends);
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      const { limits, random } = this.#deps;
      const room = Math.min(limits.claimBatch, limits.sendsPerReplica - this.#sends.size);
      const claimed = room > 0 ? await this.#claim(room) : 0;
      if (claimed > 0 && claimed === room) continue;
      // Up to half as long again, so that replicas that started together do not ask together.
      await this.#wakeup.sleep(limits.pollMs * (1 + random() / 2));
    }
  }

  async #claim(limit: number): Promise<number> {
    const { claimDb, replica, clock, log, limits } = this.#deps;
    const claimedAtMs = clock.monotonicMs();
    try {
      const claimed = await claimDue(claimDb, { replica, leaseMs: limits.leaseMs }, limit);
      for (const one of claimed) this.#send(one, claimedAtMs);
      return claimed.length;
    } catch (err) {
      log.warn({ err }, "deliveries could not be claimed; will look again");
      return 0;
    }
  }

  #send(claimed: Claimed, claimedAtMs: number): void {
    const send = this.#sendOn({ claimed, claimedAtMs }).then(() => {
      const wasFull = this.#sends.size >= this.#deps.limits.sendsPerReplica;
      this.#sends.delete(send);
      if (wasFull) this.nudge();
    });
    this.#sends.add(send);
  }

  /** A route goes on here for a while; then others have had their turn before it does again. */
  async #sendOn(head: NextClaim): Promise<void> {
    const { signal } = this.#cut;
    const onNext = (inMs: number): void => this.#nudgeIn(inMs);
    let next: NextClaim | undefined = head;
    for (let sent = 1; next !== undefined; sent += 1) {
      const wantsNext = () => !this.#isStopping && sent < this.#deps.limits.sendsInARow;
      next = await runAttempt(this.#deps, { ...next, signal, wantsNext, onNext });
    }
  }

  /** What is due later than the next poll is found by it. */
  #nudgeIn(ms: number): void {
    if (this.#isStopping || ms > this.#deps.limits.pollMs) return;
    if (ms === 0) return this.nudge();
    const timer = this.#deps.clock.setTimer(ms + 1, () => {
      this.#timers.delete(timer);
      this.nudge();
    });
    this.#timers.add(timer);
  }
}
