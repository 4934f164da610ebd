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

/**
 * Claims what is due and sends it. Any number of pumps, in any number of processes, share the work. Up to half of its
 * room a pump fills with what has been due longest; from there on tenants go first who have the fewest sends here.
 */
export class Pump implements AsyncDisposable {
  readonly #deps: PumpDeps;
  readonly #wakeup: Wakeup;
  readonly #sends = new Set<Promise<void>>();
  /** Sends by tenant. */
  readonly #busy = new Map<string, number>();
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
      const room = this.#room();
      const claimed = room > 0 ? await this.#claim(room) : 0;
      if (claimed > 0 && claimed === room) continue;
      // Up to half as long again, so that replicas that started together do not ask together.
      await this.#wakeup.sleep(limits.pollMs * (1 + random() / 2));
    }
  }

  #room(): number {
    const { claimBatch, sendsPerReplica } = this.#deps.limits;
    const upTo = this.#isHalfFull() ? sendsPerReplica : Math.ceil(sendsPerReplica / 2);
    return Math.min(claimBatch, upTo - this.#sends.size);
  }

  #isHalfFull(): boolean {
    return this.#sends.size * 2 >= this.#deps.limits.sendsPerReplica;
  }

  async #claim(limit: number): Promise<number> {
    const { claimDb, replica, clock, log, limits } = this.#deps;
    const claimedAtMs = clock.monotonicMs();
    const claimant = { replica, leaseMs: limits.leaseMs };
    const shares = { busy: this.#busy, perTenant: limits.sendsPerTenant };
    try {
      const claimed = await claimDue(
        claimDb,
        claimant,
        limit,
        this.#isHalfFull() ? shares : undefined,
      );
      for (const one of claimed) this.#send(one, claimedAtMs);
      return claimed.length;
    } catch (err) {
      log.warn({ err }, "deliveries could not be claimed; will look again");
      return 0;
    }
  }

  #send(claimed: Claimed, claimedAtMs: number): void {
    const { tenant } = claimed;
    const send = this.#sendOn({ claimed, claimedAtMs }).then(() => {
      // Somebody may have found no room.
      const wasScarce = this.#isHalfFull();
      this.#sends.delete(send);
      this.#count(tenant, -1);
      if (wasScarce) this.nudge();
    });
    this.#sends.add(send);
    this.#count(tenant, 1);
  }

  #count(tenant: string, change: 1 | -1): void {
    const busy = (this.#busy.get(tenant) ?? 0) + change;
    if (busy === 0) this.#busy.delete(tenant);
    else this.#busy.set(tenant, busy);
  }

  /** A route goes on here for a while; then others have had their turn before it does again. */
  async #sendOn(head: NextClaim): Promise<void> {
    const { signal } = this.#cut;
    const { clock, limits } = this.#deps;
    const sinceMs = clock.monotonicMs();
    const mayGoOn = (sent: number) =>
      sent < limits.sendsInARow && clock.monotonicMs() - sinceMs < limits.sendingOnMs;
    const onNext = (inMs: number): void => this.#nudgeIn(inMs);
    let next: NextClaim | undefined = head;
    for (let sent = 1; next !== undefined; sent += 1) {
      const wantsNext = () => !this.#isStopping && mayGoOn(sent);
      const { claimed, claimedAtMs } = next;
      next = await runAttempt(this.#deps, { claimed, claimedAtMs, signal, wantsNext, onNext });
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
