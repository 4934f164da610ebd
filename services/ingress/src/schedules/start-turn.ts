import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { IdentityClient, RunnerClient } from "@lanekeeper/client";
import { type CallOptions, hasReason, isNotFound, LanekeeperError } from "@lanekeeper/rpc";
import type { AgentDirectory } from "../agents/agent-directory.ts";
import { requireAgentOf } from "../agents/require-agent-of.ts";
import { onConflictOf } from "./schedule-message.ts";
import { keyFingerprint, rawKeyOf, type ScheduleSpec } from "./schedule.ts";

/** What a schedule's turn needs. */
export interface TurnStarting {
  readonly agents: AgentDirectory;
  readonly identity: Pick<IdentityClient, "resolveSession">;
  readonly runner: Pick<RunnerClient, "findTurn" | "submitTurn">;
}

/** Which run of which schedule. */
export interface ScheduledTurn {
  readonly spec: ScheduleSpec;
  readonly idempotencyKey: string;
  /**
   * For whom: tenant and principal, and no scopes. A schedule acts for the system, whose names are
   * closed to outside credentials.
   */
  readonly about: Pick<
    CallOptions,
    "tenant" | "principal" | "requestId" | "within" | "signal" | "timeoutMs" | "retry"
  >;
}

/** A turn that was accepted, now or before. */
export interface StartedTurn {
  readonly turnId: string;
  readonly session: SessionRef | undefined;
  readonly disposition: Disposition;
}

/**
 * Submits a schedule's turn, once for its key: a turn that was accepted before is found first, whatever
 * became of its name since.
 * @throws what session-identity or the runner refuses with
 */
export async function startTurn(deps: TurnStarting, turn: ScheduledTurn): Promise<StartedTurn> {
  const started = await findStarted(deps, turn);
  if (started !== undefined) return started;
  try {
    return await submit(deps, turn);
  } catch (error) {
    // Merged into another between the two calls: the name leads there by now.
    if (!hasReason(error, "KEY_MOVED")) throw error;
    return submit(deps, turn);
  }
}

async function findStarted(
  { runner }: TurnStarting,
  { idempotencyKey, about }: ScheduledTurn,
): Promise<StartedTurn | undefined> {
  const fingerprint = keyFingerprint(idempotencyKey);
  try {
    const { turn } = await runner.findTurn({ idempotencyKey, fingerprint }, about);
    if (turn === undefined) throw new LanekeeperError("INTERNAL", "the runner named no turn");
    const { turnId, session } = turn;
    return { turnId, session, disposition: Disposition.JOINED };
  } catch (error) {
    // Of one whose turn was erased it tells that the turn is gone.
    if (isNotFound(error, "request")) return;
    throw error;
  }
}

async function submit(
  { agents, identity, runner }: TurnStarting,
  { spec, idempotencyKey, about }: ScheduledTurn,
): Promise<StartedTurn> {
  const rawKey = rawKeyOf(spec.scheduleId);
  const name = { case: "rawKey", value: rawKey } as const;
  const { tenant = "", within } = about;
  const itself = { tenant, principal: "", scopes: [], agents: [], keyPrefixes: [] };
  await requireAgentOf(agents, itself, { agentId: spec.agentId, rawKey }, within);
  const resolved = await identity.resolveSession({ agentId: spec.agentId, name }, about);
  const ref = resolved.session?.ref;
  if (ref === undefined) throw new LanekeeperError("INTERNAL", "session-identity named no session");
  const { turnId, disposition, session } = await runner.submitTurn(
    {
      idempotencyKey,
      fingerprint: keyFingerprint(idempotencyKey),
      target: { case: "session", value: ref },
      onConflict: onConflictOf(spec.onConflict),
      turnClass: TurnClass.SYSTEM,
      messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: spec.message } }] }],
      origin: { source: "schedule", rawKey },
      routeId: spec.routeId,
    },
    about,
  );
  return { turnId, disposition, session: session ?? ref };
}
