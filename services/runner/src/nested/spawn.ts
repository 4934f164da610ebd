import { createHash } from "node:crypto";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { OnConflict } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { invalid, LanekeeperError } from "@lanekeeper/rpc";
import { mintedKey, parseAgentId } from "@lanekeeper/session-key";
import { LIMITS } from "../limits.ts";
import type { ToolContext } from "../tools/tool.ts";
import type { SessionMessageOutcome, SubagentTask } from "../tools/tool-deps.ts";
import { refuseSpentChain, refuseSpentRequest } from "./nested-budget.ts";
import { nestedTurn, type NestedParts, sendNested, tellsOf } from "./nested-send.ts";

/** The source of turns that are such tasks. */
export const SPAWNED = "sessions_spawn";

/**
 * Gives a task to an agent in a session of its own. The session's key is minted once per turn and step,
 * so that the turn's next run repeats the send without effect; session-identity lets it go once nobody has used it
 * for long. Its reply goes through delivery, by a
 * route to the session that sends, and becomes a turn there, unless the sender waits and has it.
 * @throws HOP_LIMIT, INVALID_REQUEST, what delivery and session-identity refuse, and, where the sender
 * waits, WAIT_EXPIRED and the reason that the turn failed with.
 */
export async function spawn(
  parts: NestedParts,
  task: SubagentTask,
  timeoutMs: number = LIMITS.nestedWaitMs,
): Promise<SessionMessageOutcome> {
  const { from, wait, text } = task;
  if (from.session === undefined && !wait) {
    throw invalid("wait", "must be true in a turn without a session: nobody could be told later");
  }
  refuseSpentChain(from);
  await refuseSpentRequest(parts.deps.db, from);
  const rawKey = childKey(from, task.agentId ?? from.agentId);
  const session = await resolve(parts, from, rawKey);
  const routeId = await routeToParent(parts, from, session.sessionKey);
  const tells = tellsOf(from, { isRouted: routeId !== "", isAwaited: wait });
  const message = { from, text, onConflict: OnConflict.ENQUEUE };
  const sent = { source: SPAWNED, rawKey, routeId, tells, isMinted: true };
  const turn = nestedTurn(parts, message, session, sent);
  return sendNested(parts, from, turn, wait ? timeoutMs : undefined);
}

/** @throws INVALID_REQUEST */
function childKey({ turnId, step }: ToolContext, agentId: string): string {
  const agent = parseAgentId(agentId);
  if (agent === undefined) throw invalid("agent_id", "is no agent id");
  return mintedKey(agent, uuidOf(turnId, step));
}

/**
 * The same for the same turn and step: a UUIDv7 (RFC 9562) of the turn's own time, which tells session-identity how
 * old the name is, and in place of a random value the turn and step.
 */
function uuidOf(turnId: string, step: number): string {
  const bytes = createHash("sha256").update(`${turnId}/${step}`).digest().subarray(0, 16);
  bytes.write(turnId.replace("-", "").slice(0, 12), "hex");
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x70, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}

async function resolve({ deps }: NestedParts, from: ToolContext, value: string) {
  const { tenant, principal, signal } = from;
  const request = { agentId: "", name: { case: "rawKey" as const, value }, mint: true };
  const call = { tenant, principal, signal, within: from };
  const { session } = await deps.identity.resolveSession(request, call);
  if (session?.ref !== undefined) return session.ref;
  throw new LanekeeperError("INTERNAL", "a resolved session has no reference");
}

/** Known by its address: a repeat gives the same. Empty: there is nobody to tell. */
async function routeToParent(
  { deps }: NestedParts,
  from: ToolContext,
  sessionKey: string,
): Promise<string> {
  const { session, tenant, principal, signal } = from;
  if (session === undefined) return "";
  const kind = RouteKind.PARENT_SESSION;
  const address = session.sessionKey;
  const { route } = await deps.delivery.registerRoute(
    { sessionKey, kind, address, source: SPAWNED },
    { tenant, principal, signal, within: from },
  );
  if (route !== undefined) return route.routeId;
  throw new LanekeeperError("INTERNAL", "a registered route was not told");
}
