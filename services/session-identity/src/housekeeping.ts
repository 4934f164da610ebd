import { analyzeOutgrown } from "@lanekeeper/postgres";
import { endErasures } from "./acts/end-erasures.ts";
import { carryLeftThreads } from "./acts/carry-threads.ts";
import { sweepPauseMs, type IdentityContext } from "./context.ts";
import { LIMITS } from "./limits.ts";
import { readNowMs } from "./store/moments.ts";
import { forgetMinted } from "./store/upkeep/forget-minted.ts";
import { sweep } from "./store/upkeep/sweep.ts";

/** What a replica does beside its calls, until the signal is aborted. Never rejects. */
export async function keepHouse(context: IdentityContext, signal: AbortSignal): Promise<void> {
  await Promise.all([
    every(context, sweepPauseMs, signal, () => sweepOnce(context, signal)),
    every(
      context,
      () => LIMITS.lastSeenFlushMs,
      signal,
      () => context.flushLastSeen(),
    ),
    every(
      context,
      () => LIMITS.carryEveryMs,
      signal,
      () => carryLeft(context),
    ),
    every(
      context,
      () => LIMITS.endErasuresEveryMs,
      signal,
      () => endRemoved(context, signal),
    ),
    every(
      context,
      () => LIMITS.statisticsEveryMs,
      signal,
      () => tellPlanner(context),
    ),
  ]);
}

/** Tables that the statements of every turn look into. */
const TURN_TABLES = [
  ...["session_keys", "key_bindings", "runs", "lifecycle_events", "replies", "requests"],
  ...["generations", "journal", "session_changes", "peer_equivalences", "person_links"],
];

/** Statements of turns are planned once a connection: not for tables as they were when empty. */
async function tellPlanner({ db, log }: IdentityContext): Promise<void> {
  try {
    await analyzeOutgrown(db, TURN_TABLES);
  } catch (err) {
    log.debug({ err }, "the planner could not be told of tables that grew");
  }
}

async function every(
  { clock }: IdentityContext,
  pauseMs: () => number,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await clock.sleep(pauseMs(), signal);
    } catch {
      return; // the signal's: the service ends
    }
    await work();
  }
}

async function carryLeft(context: IdentityContext): Promise<void> {
  try {
    await carryLeftThreads(context);
  } catch (err) {
    context.log.warn({ err }, "threads could not be carried; they are tried again");
  }
}

async function endRemoved(context: IdentityContext, signal: AbortSignal): Promise<void> {
  try {
    await endErasures(context, signal);
  } catch (err) {
    context.log.warn({ err }, "erasures could not be ended; they are tried again");
  }
}

/** By the database's clock, as tokens and records are dated: a replica's own may be ahead by any time. */
async function sweepOnce(context: IdentityContext, signal: AbortSignal): Promise<void> {
  const { db, replica, log } = context;
  try {
    const nowMs = await readNowMs(db);
    const rows = await sweep(db, nowMs, signal);
    if (rows > 0) log.debug({ rows }, "swept what was past retention");
    const keys = await forgetMinted(db, replica, nowMs, signal);
    if (keys > 0) log.info({ keys }, "minted keys went after their retention");
  } catch (err) {
    log.warn({ err }, "the sweep failed; the next one goes on");
  }
}
