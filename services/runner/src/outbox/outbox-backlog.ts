import { type LanekeeperError, later } from "@lanekeeper/rpc";
import { LIMITS } from "../limits.ts";
import type { NewLaneTurn, NewTurn } from "../store/admission/new-turn.ts";
import { countUnsent, laneOutboxIsFull } from "../store/outbox/outbox-bounds.ts";
import type { RunnerDeps } from "../deps.ts";

/** Delivery comes back, or a route gets room, in seconds at best. */
const RETRY_MS = 10_000;

/**
 * Replies that wait for delivery are never thrown away; what would make more of them is refused instead,
 * until delivery has taken some.
 */
export class OutboxBacklog {
  readonly #deps: Pick<RunnerDeps, "db" | "metrics">;
  #full: ReadonlySet<string> = new Set();

  constructor(deps: Pick<RunnerDeps, "db" | "metrics">) {
    this.#deps = deps;
  }

  /** Looks how much waits, for all tenants. */
  async measure(): Promise<void> {
    const counts = await countUnsent(this.#deps.db);
    const most = LIMITS.unsentRepliesPerTenant;
    this.#full = new Set(counts.filter(({ unsent }) => unsent >= most).map(({ tenant }) => tenant));
    this.#deps.metrics.unsent(counts.reduce((sum, { unsent }) => sum + unsent, 0));
  }

  /** QUOTA where the turn would add to what its tenant has too much of, as seen at the last look. */
  refusalOf(
    turn: Pick<NewTurn, "tenant" | "routeId" | "childTurnId">,
  ): LanekeeperError | undefined {
    return answersOut(turn) && this.#full.has(turn.tenant) ? tenantOutboxFull() : undefined;
  }
}

/** Its reply goes through delivery. What a subagent found is never refused: its session has asked for it. */
function answersOut({ routeId, childTurnId }: Pick<NewTurn, "routeId" | "childTurnId">): boolean {
  return routeId !== "" && childTurnId === undefined;
}

/** What a turn of a tenant whose outbox is full is told. */
function tenantOutboxFull(): LanekeeperError {
  const limit = LIMITS.unsentRepliesPerTenant;
  const message = `${limit} replies of the tenant wait for delivery, as many as may; their turns are kept`;
  return later("QUOTA", message, RETRY_MS, {
    metadata: { bound: "unsent_replies_per_tenant", limit: String(limit) },
  });
}

/** @throws QUEUE_FULL: as many replies of the lane as may wait for delivery. */
export async function refuseIfUnsent({ db }: RunnerDeps, turn: NewLaneTurn): Promise<void> {
  if (!answersOut(turn)) return;
  const { tenant, session } = turn;
  if (!(await laneOutboxIsFull(db, tenant, session.sessionKey))) return;
  const limit = LIMITS.unsentRepliesPerLane;
  const message = `${limit} replies of the lane wait for delivery, as many as may; their turns are kept`;
  throw later("QUEUE_FULL", message, RETRY_MS, {
    metadata: { bound: "unsent_replies_per_lane", limit: String(limit) },
  });
}
