import type { Ids } from "@lanekeeper/service";
import { type CanonicalKey, mintedAtMs } from "@lanekeeper/session-key";
import { decideBegin } from "../domain/begin-run.ts";
import { answered, type Decision } from "../domain/decision.ts";
import type { KeyState } from "../domain/key-state.ts";
import { holdsAllItMay } from "../domain/quota.ts";
import { isRefusal } from "../domain/refusal.ts";
import { decideReserve, ELSEWHERE } from "../domain/reserve.ts";
import { decideRotate, type RotateAnswer } from "../domain/rotate.ts";
import { decideWriteReply } from "../domain/write-reply.ts";
import { decideWriteRun } from "../domain/write-run.ts";
import type { Found, Wanted } from "../store/batch/look-up.ts";
import type { Ask, Command, Result } from "./command.ts";
import { recordedAnswer, rotateAnswerOf } from "./rotate-request.ts";

export type AskOf<Kind extends Ask["kind"]> = Extract<Ask, { kind: Kind }>;

/** What a command needs to be looked up beside its row. */
export function wantedBy({ tenant, sessionKey, ask }: Command): Wanted {
  switch (ask.kind) {
    case "reserve":
      return { tenant, sessionKey, floors: true };
    case "begin":
      return {
        tenant,
        sessionKey,
        runId: ask.command.runId,
        policyAgentId: ask.agentId,
        activeRun: true,
        countSending: true,
      };
    case "write_run":
      return { tenant, sessionKey, runId: ask.command.fence.runId, ...runWriter(ask) };
    case "write_reply": {
      const { deliveryId } = ask.command.fence;
      const writer = { kind: "reply", id: deliveryId, eventSeq: ask.command.eventSeq } as const;
      return { tenant, sessionKey, deliveryId, writer };
    }
    case "rotate":
      return { tenant, sessionKey, activeRun: true, countSending: true, ...rotateWanted(ask) };
  }
}

/** An ending has no event_seq: its record is the run's. */
function runWriter({ command }: AskOf<"write_run">): Pick<Wanted, "writer"> {
  if (command.event.kind === "ended") return {};
  return { writer: { kind: "run", id: command.fence.runId, eventSeq: command.eventSeq } };
}

function rotateWanted({ command, requestId }: AskOf<"rotate">) {
  const { precondition, sourceSessionId } = command;
  const runId = precondition.kind === "owner" ? precondition.fence.runId : undefined;
  return { requestId, runId, sourceSessionId };
}

/** Hands one command and what was found for it to its rule. */
export function decide(
  command: Command,
  state: KeyState | undefined,
  found: Found,
  ids: Ids,
): Decision<Result> {
  const { ask } = command;
  const { nowMs, postmasterStartMs, run } = found;
  const now = { ms: nowMs, postmasterStartMs };
  switch (ask.kind) {
    case "reserve":
      return reserve(command, ask, state, found, ids);
    case "begin":
      return decideBegin(ask.command, {
        now,
        state,
        run,
        activeRun: found.activeRun,
        runIdsFromMs: found.runIdsFromMs,
        policy: found.policy,
        sendingCount: found.sendingCount,
        newSessionId: ids.uuid(),
        principal: command.asker.principal,
      });
    case "write_run":
      return decideWriteRun(ask.command, { now, state, run, recorded: found.event });
    case "write_reply":
      return decideWriteReply(ask.command, {
        nowMs,
        state,
        reply: found.reply,
        recorded: found.event,
      });
    case "rotate":
      return rotate(command, ask, state, found, ids);
  }
}

/** Whether a first contact makes the key's row: one of those that are minted is there, or has just gone. */
export function isMade(sessionKey: CanonicalKey, { command }: AskOf<"reserve">): boolean {
  return command.mintedMs !== undefined || mintedAtMs(sessionKey) === undefined;
}

/** The engine makes the row before it locks it, unless the tenant holds as many as it may. */
function reserve(
  { asker, sessionKey }: Command,
  ask: AskOf<"reserve">,
  state: KeyState | undefined,
  found: Found,
  ids: Ids,
): Decision<Result> {
  if (state === undefined) {
    return isMade(sessionKey, ask) ? refusedReserve(ask, "keys") : answered(ELSEWHERE);
  }
  const { nowMs, generationFloor, epochFloor, revisionFloor } = found;
  return decideReserve(ask.command, {
    nowMs,
    state,
    newSessionId: ids.uuid(),
    principal: asker.principal,
    generationFloor,
    epochFloor,
    revisionFloor,
  });
}

/** A first contact that the tenant has no room for. */
export function refusedReserve(
  { command: { rawKey } }: AskOf<"reserve">,
  what: Parameters<typeof holdsAllItMay>[0],
): Decision<never> {
  return { refusal: holdsAllItMay(what), journal: { operation: "reserve", rawKey } };
}

function rotate(
  { asker }: Command,
  ask: AskOf<"rotate">,
  state: KeyState | undefined,
  found: Found,
  ids: Ids,
): Decision<Result> {
  const { requestId, fingerprint, command } = ask;
  const recorded = recordedAnswer<RotateAnswer>(requestId, fingerprint, found.request);
  if (isRefusal(recorded)) return { refusal: recorded, journal: { operation: "rotate" } };
  if (recorded !== undefined) return answered(rotateAnswerOf(recorded));
  return decideRotate(command, {
    nowMs: found.nowMs,
    state,
    run: found.run,
    activeRun: found.activeRun,
    source: found.source,
    sendingCount: found.sendingCount,
    newSessionId: ids.uuid(),
    principal: asker.principal,
  });
}
