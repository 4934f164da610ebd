import type { AgentConfig } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import { LanekeeperError } from "@lanekeeper/rpc";
import { LIMITS } from "../limits.ts";
import { findRequest } from "../store/admission/find-request.ts";
import { countNested, readNestedCount } from "../store/nested/nested-counts.ts";
import type { NewLaneTurn } from "../store/admission/new-turn.ts";
import type { RunnerDatabase, Sql } from "../store/sql.ts";
import type { ToolContext } from "../tools/tool.ts";

/** @throws HOP_LIMIT, naming `hop_budget`. */
export function refuseSpentChain({ callChain }: Pick<ToolContext, "callChain">): void {
  const limit = LIMITS.hopBudget;
  if (callChain.length < limit) return;
  throw new LanekeeperError("HOP_LIMIT", `the chain of sends has used its ${limit} hops`, {
    metadata: { bound: "hop_budget", limit: String(limit) },
  });
}

/**
 * Before anything is made for a nested turn: what the request from outside may still send. One that was
 * sent before is no new one.
 * @throws HOP_LIMIT, naming `nested_turns_per_request`.
 */
export async function refuseSpentRequest(db: RunnerDatabase, from: ToolContext): Promise<void> {
  const { tenant, principal, rootTurnId } = from;
  const count = await readNestedCount(db, { tenant, rootTurnId });
  if (count === undefined || count.sent < count.allowed) return;
  if ((await findRequest(db, tenant, principal, nestedKey(from))) !== undefined) return;
  throw requestSpent(rootTurnId, count.allowed);
}

/**
 * In the transaction that admits a nested turn, after it was inserted.
 * @throws HOP_LIMIT, naming `nested_turns_per_request`.
 */
export async function spendOnNested(
  sql: Sql,
  { tenant, nested }: Pick<NewLaneTurn, "tenant" | "nested">,
): Promise<void> {
  if (nested === undefined) return;
  const { rootTurnId, nestedTurnsPerRequest: ofSender } = nested;
  const root = { tenant, rootTurnId };
  if (await countNested(sql, root, ofSender)) return;
  throw requestSpent(rootTurnId, (await readNestedCount(sql, root))?.allowed ?? ofSender);
}

/** The key of a nested send: known by the turn and its step. */
export function nestedKey({ turnId, step }: Pick<ToolContext, "turnId" | "step">): string {
  return `${turnId}/${step}`;
}

/** As many nested turns as may come of a request to an agent. */
export function nestedTurnsOf({ nestedTurnsPerRequest }: AgentConfig): number {
  return nestedTurnsPerRequest || LIMITS.nestedTurnsPerRequest;
}

function requestSpent(rootTurnId: string, limit: number): LanekeeperError {
  const message = `${limit} sends and tasks have come of one request; a person may go on with a new one`;
  return new LanekeeperError("HOP_LIMIT", message, {
    metadata: { bound: "nested_turns_per_request", limit: String(limit), root_turn_id: rootTurnId },
  });
}
