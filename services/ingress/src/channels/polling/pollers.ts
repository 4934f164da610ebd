import type { TenantAccount } from "../account.ts";
import type { AccountStore } from "../account-store.ts";
import { type Polling, pollUpdates } from "./poll-updates.ts";

/** What the pollers need beside what one of them does. */
export interface PollersOptions extends Polling {
  readonly store: Pick<AccountStore, "listPolled">;
  /** How often accounts that came or went are looked for. */
  readonly refreshMs: number;
}

interface Running {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/**
 * A loop for each account that is polled, on every replica; the account's lease lets one of them ask.
 * Follows the configuration.
 */
export class Pollers implements AsyncDisposable {
  readonly #options: PollersOptions;
  readonly #ending = new AbortController();
  readonly #running = new Map<string, Running>();
  readonly #followed: Promise<void>;

  constructor(options: PollersOptions) {
    this.#options = options;
    this.#followed = this.#follow();
  }

  /** Asks for no more; resolves when the updates in hand are taken or left for another replica. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#followed;
    for (const { stop } of this.#running.values()) stop.abort();
    await Promise.all([...this.#running.values()].map(({ ended }) => ended));
  }

  async #follow(): Promise<void> {
    const { store, clock, log, refreshMs } = this.#options;
    const { signal } = this.#ending;
    while (!signal.aborted) {
      try {
        this.#compare(await store.listPolled());
      } catch (err) {
        log.warn({ err }, "which accounts are polled cannot be read now");
      }
      await clock.sleep(refreshMs, signal).catch(() => undefined);
    }
  }

  #compare(wanted: readonly TenantAccount[]): void {
    const names = new Map(wanted.map((account) => [nameOf(account), account]));
    for (const [name, { stop }] of this.#running) {
      if (!names.has(name)) stop.abort();
    }
    for (const [name, account] of names) {
      if (!this.#running.has(name)) this.#start(name, account);
    }
  }

  #start(name: string, account: TenantAccount): void {
    const stop = new AbortController();
    const ended = pollUpdates(this.#options, account, stop.signal)
      .catch((err: unknown) => this.#options.log.error({ err }, "a poller has failed"))
      .finally(() => this.#running.delete(name));
    this.#running.set(name, { stop, ended });
  }
}

/** Another agent or token is another loop. */
function nameOf({ tenant, account }: TenantAccount): string {
  const { accountId, agentId, tokenEnv } = account;
  return JSON.stringify([tenant, accountId, agentId, tokenEnv]);
}
