import { finalRefusal, type InboundEvent } from "@lanekeeper/adapter-kit";
import {
  backoffMs,
  boundedSignal,
  type Clock,
  inTrace,
  type Log,
  traceparentOf,
  withSpan,
} from "@lanekeeper/service";
import { isObject } from "../../http/json-body.ts";
import type { IngressLimits } from "../../limits.ts";
import type { TenantAccount } from "../account.ts";
import { TelegramApi, type TelegramRefusal } from "../telegram/api.ts";
import { UPDATE_KINDS } from "../telegram/update.ts";
import type { PollLeases } from "./lease.ts";
import { mayPassLater } from "./may-pass-later.ts";
import { readAlbum, type ReadingAhead, type Update } from "./read-ahead.ts";

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
  > &
    ReadingAhead["limits"];
  readonly token: (account: TenantAccount) => string;
  /** What one update says, with its files. @throws INVALID_REQUEST */
  readonly read: (
    account: TenantAccount,
    update: Update,
    signal: AbortSignal,
  ) => Promise<InboundEvent>;
  /** Takes what it says to its lane. @throws what asks to try it again */
  readonly take: (
    account: TenantAccount,
    event: InboundEvent,
    traceparent: string | undefined,
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
  /** When the lease was taken last. */
  #heldMs = 0;

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
    const { limits, log } = this.#polling;
    if (!(await this.#hold())) return this.#standBy();
    const askedMs = this.#polling.clock.monotonicMs();
    const got = await this.#ask(limits.pollWaitMs);
    if (this.#signal.aborted) return GO_ON;
    if ("updates" in got && got.updates.length > 0) return this.#takeAll(got.updates);
    if ("updates" in got) {
      // Telegram holds a request that it has nothing for; what stands in its place may not.
      const isHeld = this.#polling.clock.monotonicMs() - askedMs > limits.pollWaitMs / 2;
      return isHeld ? GO_ON : { afterFailure: false, ms: limits.pollBackoffMs.first };
    }
    log.warn({ ...this.fields, ...got.refusal }, "Telegram gives no updates");
    return { afterFailure: true, ms: waitAfter(got.refusal, limits.pollBackoffMs.longest) };
  }

  /** Confirms what has been taken, and nothing else. */
  async #ask(
    waitMs: number,
  ): Promise<{ readonly updates: readonly Update[] } | { readonly refusal: TelegramRefusal }> {
    const { apiUrl, limits, token } = this.#polling;
    const api = new TelegramApi(apiUrl, token(this.#account));
    const ending = boundedSignal(this.#signal, limits.pollWaitMs * 1.5);
    const timeout = Math.floor(waitMs / 1_000);
    const offset = this.#offset === undefined ? {} : { offset: this.#offset };
    const request = { timeout, allowed_updates: UPDATE_KINDS, ...offset };
    const got = await api.call("getUpdates", request, ending);
    if ("refusal" in got) return got;
    return { updates: Array.isArray(got.result) ? got.result.filter(isUpdate) : [] };
  }

  async release(): Promise<void> {
    const { leases, holder } = this.#polling;
    // It expires by itself where the database cannot be asked.
    await leases.release(this.#account, holder).catch(() => undefined);
  }

  async #hold(): Promise<boolean> {
    const { leases, holder, limits, clock } = this.#polling;
    const askedMs = clock.monotonicMs();
    const isHeld = await leases.take(this.#account, holder, limits.pollLeaseMs);
    if (isHeld) this.#heldMs = askedMs;
    return isHeld;
  }

  /** As long as there is enough of the lease nobody is asked. */
  async #stillHold(): Promise<boolean> {
    const { clock, limits } = this.#polling;
    const isFresh = clock.monotonicMs() - this.#heldMs <= limits.pollLeaseMs / 3;
    return isFresh || this.#hold();
  }

  #standBy(): Pause {
    return { afterFailure: false, ms: this.#polling.limits.pollLeaseMs / 4 };
  }

  /** In order. What cannot be taken now is tried again before anything behind it. */
  async #takeAll(given: readonly Update[]): Promise<Pause> {
    for (let waiting = given; waiting.length > 0; ) {
      const { updates, readings } = await readAlbum(this.#readingAhead(), waiting);
      // Those that are read, or the first.
      const count = Math.max(1, readings.size);
      for (const update of updates.slice(0, count)) {
        if (!(await this.#stillHold())) return this.#standBy();
        const event = readings.get(update.update_id) ?? this.#read(update);
        if (!(await this.#takeOne(event, update.update_id))) return { afterFailure: true, ms: 0 };
      }
      waiting = updates.slice(count);
    }
    return GO_ON;
  }

  #readingAhead(): ReadingAhead {
    const { clock, limits } = this.#polling;
    const again = async () => {
      if (!(await this.#stillHold())) return undefined;
      const got = await this.#ask(0);
      return "updates" in got && got.updates.length > 0 ? got.updates : undefined;
    };
    return { clock, limits, signal: this.#signal, again, read: (update) => this.#read(update) };
  }

  #read(update: Update): Promise<InboundEvent> {
    return this.#polling.read(this.#account, update, this.#signal);
  }

  async #takeOne(reading: Promise<InboundEvent>, updateId: number): Promise<boolean> {
    const { take, limits } = this.#polling;
    let { log } = this.#polling;
    const attributes = { "messaging.system": "telegram" };
    try {
      await withSpan(
        "telegram update",
        attributes,
        async (span) => {
          const traceparent = traceparentOf(span);
          log = inTrace(log, traceparent);
          const event = await reading;
          // What was cut off in the middle of its files is another replica's to read.
          this.#signal.throwIfAborted();
          return take(this.#account, event, traceparent);
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

function isUpdate(value: unknown): value is Update {
  return isObject(value) && typeof value["update_id"] === "number";
}

/** A token that is refused, or a webhook that is set, is mended by people. */
function waitAfter({ code, retryAfterMs }: TelegramRefusal, longestMs: number): number {
  if (retryAfterMs !== undefined) return retryAfterMs;
  return code === 401 || code === 404 || code === 409 ? longestMs : 0;
}
