import { finalRefusal } from "@lanekeeper/adapter-kit";
import {
  backoffMs,
  boundedSignal,
  type Clock,
  inTrace,
  type Log,
  traceparentOf,
  withSpan,
} from "@lanekeeper/service";
import { isObject, type JsonObject } from "../../http/json-body.ts";
import type { IngressLimits } from "../../limits.ts";
import type { TenantAccount } from "../account.ts";
import { TelegramApi, type TelegramRefusal } from "../telegram/api.ts";
import { UPDATE_KINDS } from "../telegram/update.ts";
import type { PollLeases } from "./lease.ts";
import { mayPassLater } from "./may-pass-later.ts";

/** What polling works with. */
export interface Polling {
  readonly apiUrl: URL;
  readonly leases: PollLeases;
  /** This process among its replicas. */
  readonly holder: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: Pick<
    IngressLimits,
    "pollLeaseMs" | "pollWaitMs" | "pollBackoffMs" | "maxUpdateAttempts"
  >;
  readonly token: (account: TenantAccount) => string;
  /** Takes one update to its lane. @throws what asks to try it again */
  readonly take: (
    account: TenantAccount,
    update: JsonObject,
    traceparent: string | undefined,
    signal: AbortSignal,
  ) => Promise<void>;
}

/**
 * Asks for one bot's updates for as long as the signal lets it, while this process holds the account's
 * lease. An update counts as taken for Telegram when the next ones are asked for, which is after all
 * of it has been accepted: a process that dies leaves nothing behind but repeats.
 */
export async function pollUpdates(
  polling: Polling,
  account: TenantAccount,
  signal: AbortSignal,
): Promise<void> {
  const bot = new PolledBot(polling, account, signal);
  const { clock, log, limits } = polling;
  const { first: baseMs, longest: maxMs } = limits.pollBackoffMs;
  for (let failures = 0; !signal.aborted; ) {
    const pause = await bot.round().catch((err: unknown): Pause => {
      if (!signal.aborted) log.warn({ err, ...bot.fields }, "updates cannot be asked for now");
      return { afterFailure: true, ms: maxMs };
    });
    failures = pause.afterFailure ? failures + 1 : 0;
    if (pause.ms === undefined || signal.aborted) continue;
    const backedOffMs = pause.afterFailure ? backoffMs(failures, { baseMs, maxMs }) : 0;
    await clock.sleep(Math.max(pause.ms, backedOffMs), signal).catch(() => undefined);
  }
  await bot.release();
}

/** What comes before the next round: at least so many milliseconds; undefined, nothing. */
interface Pause {
  /** The more of them in a row, the longer. To stand by while another replica asks is none. */
  readonly afterFailure: boolean;
  readonly ms: number | undefined;
}

const GO_ON: Pause = { afterFailure: false, ms: undefined };

/** One bot as it is polled; remembers what it was given last. */
class PolledBot {
  readonly #polling: Polling;
  readonly #account: TenantAccount;
  readonly #signal: AbortSignal;
  #offset: number | undefined;
  /** What has been tried and not taken: it may be taken by another replica meanwhile, or away by people. */
  #failing = { updateId: 0, attempts: 0 };

  constructor(polling: Polling, account: TenantAccount, signal: AbortSignal) {
    this.#polling = polling;
    this.#account = account;
    this.#signal = signal;
  }

  /** For logs. */
  get fields() {
    const { tenant, account } = this.#account;
    return { tenant, channel: "telegram", account_id: account.accountId };
  }

  /** Asks once and takes what comes. */
  async round(): Promise<Pause> {
    const { apiUrl, limits, log, token } = this.#polling;
    if (!(await this.#hold())) return this.#standBy();
    const api = new TelegramApi(apiUrl, token(this.#account));
    const ending = boundedSignal(this.#signal, limits.pollWaitMs * 1.5);
    const timeout = Math.floor(limits.pollWaitMs / 1_000);
    const offset = this.#offset === undefined ? {} : { offset: this.#offset };
    const request = { timeout, allowed_updates: UPDATE_KINDS, ...offset };
    const got = await api.call("getUpdates", request, ending);
    if (this.#signal.aborted) return GO_ON;
    if ("result" in got) return this.#takeAll(Array.isArray(got.result) ? got.result : []);
    log.warn({ ...this.fields, ...got.refusal }, "Telegram gives no updates");
    return { afterFailure: true, ms: waitAfter(got.refusal, limits.pollBackoffMs.longest) };
  }

  async release(): Promise<void> {
    const { leases, holder } = this.#polling;
    // It expires by itself where the database cannot be asked.
    await leases.release(this.#account, holder).catch(() => undefined);
  }

  #hold(): Promise<boolean> {
    const { leases, holder, limits } = this.#polling;
    return leases.take(this.#account, holder, limits.pollLeaseMs);
  }

  #standBy(): Pause {
    return { afterFailure: false, ms: this.#polling.limits.pollLeaseMs / 4 };
  }

  /** In order. What cannot be taken now is tried again before anything behind it. */
  async #takeAll(updates: readonly unknown[]): Promise<Pause> {
    let heldMs = this.#polling.clock.monotonicMs();
    for (const update of updates) {
      if (!isObject(update) || typeof update["update_id"] !== "number") continue;
      const nowMs = this.#polling.clock.monotonicMs();
      if (nowMs - heldMs > this.#polling.limits.pollLeaseMs / 3) {
        if (!(await this.#hold())) return this.#standBy();
        heldMs = nowMs;
      }
      if (!(await this.#takeOne(update, update["update_id"]))) return { afterFailure: true, ms: 0 };
    }
    return GO_ON;
  }

  async #takeOne(update: JsonObject, updateId: number): Promise<boolean> {
    const { take, limits } = this.#polling;
    let { log } = this.#polling;
    const attributes = { "messaging.system": "telegram" };
    try {
      await withSpan(
        "telegram update",
        attributes,
        (span) => {
          const traceparent = traceparentOf(span);
          log = inTrace(log, traceparent);
          return take(this.#account, update, traceparent, this.#signal);
        },
        { kind: "consumer" },
      );
    } catch (err) {
      if (this.#signal.aborted) return false;
      const attempts = this.#attemptsAt(updateId);
      const isLast =
        finalRefusal(err) !== undefined ||
        (attempts >= limits.maxUpdateAttempts && !mayPassLater(err));
      const fields = { err, ...this.fields, update_id: updateId, attempts };
      if (!isLast) {
        log.warn(fields, "an update is not taken yet");
        return false;
      }
      log.error(fields, "an update is given up");
    }
    this.#offset = updateId + 1;
    return true;
  }

  #attemptsAt(updateId: number): number {
    const attempts = this.#failing.updateId === updateId ? this.#failing.attempts + 1 : 1;
    this.#failing = { updateId, attempts };
    return attempts;
  }
}

/** A token that is refused, or a webhook that is set, is mended by people. */
function waitAfter({ code, retryAfterMs }: TelegramRefusal, longestMs: number): number {
  if (retryAfterMs !== undefined) return retryAfterMs;
  return code === 401 || code === 404 || code === 409 ? longestMs : 0;
}
