import { analyzeOutgrown, isUnavailable } from "@lanekeeper/postgres";
import { firstStreamSeq } from "../domain/stream-seq.ts";
import { LIMITS } from "../limits.ts";
import { endWaiting } from "../store/runs/end-unanswered.ts";
import { failAbandoned } from "../store/runs/finish-stateless.ts";
import { outboxLanesDue } from "../store/outbox/outbox.ts";
import { readStops } from "../store/runs/renew.ts";
import { endedSteerHosts, settleSteers } from "../store/answering/steer.ts";
import { expiredTurns, idleLanes, staleTurns } from "../store/recovery/sweep.ts";
import type { Relay } from "../outbox/relay.ts";
import type { LaneTurn } from "../store/turn-row.ts";
import type { Collaborators } from "../collaborators.ts";
import { Erasures } from "../erasing/erasures.ts";
import type { Runner } from "../lanes/runner.ts";
import { forgetMintedKeys } from "./minted-keys.ts";
import { Retention } from "./retention.ts";

/** Tables that the statements of every turn look into. */
const TURN_TABLES = [
  "lanes",
  "turns",
  "runs",
  "sessions",
  "messages",
  "idempotency",
  "turn_events",
];

export interface SweeperOptions {
  readonly parts: Collaborators;
  readonly runner: Runner;
  readonly relay: Relay;
  readonly tellChildren: () => Promise<void>;
  readonly tellUndelivered: () => Promise<void>;
}

interface Chore {
  readonly everyMs: number;
  readonly what: string;
  readonly work: () => Promise<void>;
  /** Its first time is the start. */
  readonly atOnce?: boolean;
}

/**
 * Finds what nobody is told of: dead runs, lanes without a holder, waits that are over, replies that
 * wait, requests to stop. Every replica sweeps; what two find at once, one of them gets.
 */
export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #retention: Retention;
  readonly #erasures: Erasures;
  readonly #timers = new Map<string, { cancel(): void }>();
  readonly #busy = new Set<Promise<void>>();
  #stopped = false;

  constructor(options: SweeperOptions) {
    this.#options = options;
    const { parts, runner } = options;
    this.#retention = new Retention(parts.deps);
    this.#erasures = new Erasures({
      ...parts,
      onFreed: (tenant, sessionKey) => runner.pump(tenant, sessionKey, true),
    });
  }

  start(): void {
    for (const chore of this.#chores()) {
      if (chore.atOnce === true) this.#run(chore);
      else this.#schedule(chore);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#retention.stop();
    this.#erasures.stop();
    for (const timer of this.#timers.values()) timer.cancel();
    await Promise.all(this.#busy);
  }

  /** Everything that is due, once, in place of waiting for it. */
  async sweepOnce(): Promise<void> {
    for (const chore of this.#chores()) await chore.work();
  }

  #chores(): Chore[] {
    const { parts } = this.#options;
    const sweep = (what: string, work: () => Promise<void>, everyMs: number = LIMITS.sweepMs) => ({
      what,
      work,
      everyMs,
    });
    return [
      sweep("stops", () => this.#stops(), LIMITS.stopPollMs),
      sweep("dead runs", () => this.#deadRuns()),
      sweep("lost claims", () => this.#options.runner.lostClaims.giveBack()),
      sweep("idle lanes", () => this.#idleLanes()),
      sweep("expired waits", () => this.#expired()),
      sweep("outbox", () => this.#outbox()),
      sweep("backlog", () => this.#options.relay.backlog.measure(), LIMITS.outboxLookMs),
      sweep("steers", () => this.#steers()),
      sweep("outcomes of nested turns", () => this.#options.tellChildren()),
      sweep(
        "answers that delivery gave up",
        () => this.#options.tellUndelivered(),
        LIMITS.undeliveredLookMs,
      ),
      sweep("abandoned turns", () => this.#abandoned()),
      sweep(
        "slots",
        () => parts.slots.renew(),
        parts.deps.leaseMs / (2 * LIMITS.heartbeatsPerLease),
      ),
      sweep("statistics", async () => void (await analyzeOutgrown(parts.deps.db, TURN_TABLES))),
      sweep("erasures", () => this.#erasures.look(), LIMITS.erasuresLookMs),
      sweep("retention", () => this.#retention.sweep(), LIMITS.retentionSweepMs),
      sweep(
        "lanes of subagents",
        () => forgetMintedKeys(parts.deps, () => this.#stopped),
        LIMITS.retentionSweepMs,
      ),
      {
        ...sweep("sizes", () => this.#retention.measure(), LIMITS.storedBytesEveryMs),
        atOnce: true,
      },
    ];
  }

  /** Jittered, so that replicas started together do not sweep together. */
  #schedule(chore: Chore): void {
    if (this.#stopped) return;
    const { clock } = this.#options.parts.deps;
    const ms = chore.everyMs * (0.5 + Math.random());
    this.#timers.set(
      chore.what,
      clock.setTimer(ms, () => this.#run(chore)),
    );
  }

  #run(chore: Chore): void {
    const { log } = this.#options.parts.deps;
    const done = chore
      .work()
      .catch((err: unknown) => {
        if (isUnavailable(err)) log.warn({ err, sweep: chore.what }, "a sweep found no store");
        else log.error({ err, sweep: chore.what }, "a sweep failed");
      })
      .finally(() => {
        this.#busy.delete(done);
        this.#schedule(chore);
      });
    this.#busy.add(done);
  }

  async #stops(): Promise<void> {
    const { deps, runs } = this.#options.parts;
    const active = runs.list();
    if (active.length === 0) return;
    for (const { runId, stop, note } of await readStops(deps.db, active)) {
      runs.abort(runId, { kind: "stopped", stop, note });
    }
  }

  async #deadRuns(): Promise<void> {
    const { parts, runner } = this.#options;
    if (runner.isDraining) return;
    const { db, leaseMs } = parts.deps;
    for (const turn of await staleTurns(db, leaseMs, LIMITS.sweepBatch)) {
      if (isOfLane(turn)) runner.takeovers.takeOver(turn);
    }
  }

  async #idleLanes(): Promise<void> {
    const { parts, runner } = this.#options;
    const { rooms } = parts.runs;
    if (runner.isDraining || rooms.isFull) return;
    const full = rooms.full();
    const lanes = await idleLanes(parts.deps.db, LIMITS.preferenceMs, full, LIMITS.sweepBatch);
    for (const { tenant, sessionKey } of lanes) runner.pump(tenant, sessionKey, true);
  }

  async #expired(): Promise<void> {
    const { parts, runner } = this.#options;
    const { db, metrics } = parts.deps;
    for (const turn of await expiredTurns(db, LIMITS.sweepBatch)) {
      const ended = await endWaiting(db, {
        ...turn,
        state: "FAILED",
        errorReason: "QUEUE_TIMEOUT",
        errorMessage: "the turn's max_wait passed before it could start",
        endedStreamSeq: firstStreamSeq(1),
      });
      if (!ended) continue;
      metrics.ended("FAILED", "QUEUE_TIMEOUT");
      runner.pump(turn.tenant, turn.sessionKey, true);
    }
  }

  async #outbox(): Promise<void> {
    const { parts, relay } = this.#options;
    const lanes = await outboxLanesDue(parts.deps.db, LIMITS.sweepBatch);
    for (const { tenant, sessionKey } of lanes) relay.kick(tenant, sessionKey);
  }

  async #steers(): Promise<void> {
    const { parts, runner } = this.#options;
    for (const host of await endedSteerHosts(parts.deps.db, LIMITS.sweepBatch)) {
      const freed = await settleSteers(parts.deps.db, host);
      if (freed > 0) runner.pump(host.tenant, host.sessionKey, true);
    }
  }

  async #abandoned(): Promise<void> {
    const { db, leaseMs, metrics } = this.#options.parts.deps;
    const failed = await failAbandoned(db, leaseMs, LIMITS.sweepBatch);
    for (const _turn of failed) metrics.ended("FAILED", "INTERNAL");
  }
}

function isOfLane(turn: { readonly sessionKey: string | undefined }): turn is LaneTurn {
  return turn.sessionKey !== undefined;
}
