import { createHash } from "node:crypto";
import type { Clock, Ids, Log, Metrics } from "@lanekeeper/service";
import { Engine } from "./engine/engine.ts";
import type { EngineObserver } from "./engine/engine-observer.ts";
import { LIMITS } from "./limits.ts";
import { createIdentityMetrics, type IdentityMetrics } from "./metrics.ts";
import { LastSeen } from "./names/last-seen.ts";
import { Resolver } from "./names/resolver.ts";
import { RULES, type RuleSet } from "./names/rules.ts";
import { Tenants } from "./names/tenants.ts";
import { createReads, type Reads } from "./reads.ts";
import type { Replica } from "./replica.ts";
import type { Db } from "./store/db.ts";
import { Feed } from "./watch/feed.ts";

/** What handlers work with. */
export interface IdentityContext extends AsyncDisposable {
  readonly db: Db;
  /** One connection for statements that may take an hour; opened when it is first used. */
  readonly slowDb: Db;
  readonly engine: Engine;
  readonly reads: Reads;
  readonly resolver: Resolver;
  readonly feed: Feed;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics: IdentityMetrics;
  readonly replica: Replica;
  /** Writes what uses of names are due. */
  flushLastSeen(): Promise<void>;
}

export interface ContextOptions {
  readonly db: Db;
  /** For what is asked on the path of every turn; default: the same as for the rest. */
  readonly turnsDb?: Db;
  readonly slowDb: Db;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly instanceId: string;
  /** Default: those of this release. */
  readonly rules?: RuleSet;
}

/** Puts the parts together. Disposal ends them, not the database. */
export function createContext(options: ContextOptions): IdentityContext {
  const { db, turnsDb = db, slowDb, clock, ids, log, rules = RULES } = options;
  const replica = { usageShard: shardOf(options.instanceId), rules };
  const metrics = createIdentityMetrics(options.metrics);
  const lagged = (lagMs: number) => metrics.watchLag.observe(lagMs / 1_000);
  const feed = new Feed({ query: db, clock, log, lagged });
  const engine = new Engine(
    { db: turnsDb, ids, replica },
    {
      batch: (size, durationMs) => metrics.batch(size, durationMs),
      byMemory: (written, outdated) => metrics.byMemory(written, outdated),
      changed: (what) => feed.nudge(what),
      wentBack: tellLost(log),
    },
  );
  const reads = createReads(turnsDb);
  const lastSeen = new LastSeen(db, log);
  const resolver = new Resolver({
    rules,
    tenants: new Tenants(db),
    readName: (wanted, signal) => reads.name(wanted, signal),
    engine,
    seen: (tenant, agentId, { wanted }, lastSeenMs, nowMs) => {
      lastSeen.note({ tenant, agentId, kind: wanted.kind, name: wanted.name }, lastSeenMs, nowMs);
    },
  });
  const close = async () => {
    await Promise.all([feed.close(), engine.close(), reads.close()]);
    await lastSeen.flush();
  };
  return {
    db,
    slowDb,
    engine,
    reads,
    resolver,
    feed,
    clock,
    ids,
    log,
    metrics,
    replica,
    flushLastSeen: () => lastSeen.flush(),
    [Symbol.asyncDispose]: close,
  };
}

/** Once for each start of the server: the keys that tell of it may be many. */
function tellLost(log: Log): NonNullable<EngineObserver["wentBack"]> {
  let toldOfMs: number | undefined;
  return ({ tenant, sessionKey }, postmasterStartMs) => {
    if (toldOfMs === postmasterStartMs) return;
    toldOfMs = postmasterStartMs;
    log.error({ tenant, session_key: sessionKey }, LOST);
  };
}

const LOST =
  "the database has lost what it had committed: a failover to a server that lagged behind, or a restore, under " +
  "running services. Stop all of them and raise the fences before they go on: lanekeeper fence raise, " +
  'docs/operations/README.md, "A failover of Postgres"';

const USAGE_SHARDS = 64;

function shardOf(instanceId: string): number {
  return (createHash("sha256").update(instanceId).digest()[0] ?? 0) % USAGE_SHARDS;
}

/** The time between two sweeps, not the same on all replicas. */
export function sweepPauseMs(random: () => number = Math.random): number {
  return LIMITS.sweepEveryMs * (0.75 + random() / 2);
}
