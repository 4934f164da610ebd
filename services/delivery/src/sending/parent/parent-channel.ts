import { createHash } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RunnerClient } from "@lanekeeper/client";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import type { OutboundPart } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { type PartSchema, Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { LanekeeperError } from "@lanekeeper/rpc";
import type { SendOutcome } from "../../domain/send-outcome.ts";
import type { Limits } from "../../limits.ts";
import { type Channel, type ClaimSend, NotSentError, type Reply } from "../channel.ts";
import { isForGood } from "../fence.ts";

export interface ParentDeps {
  readonly runner: Pick<RunnerClient, "submitTurn">;
  readonly limits: Pick<Limits, "submitMs">;
}

/**
 * A subagent's answer becomes a turn of the session that asked. The delivery's id is the turn's
 * idempotency key, so that whatever happens in between, and however often it is submitted, the parent gets
 * it once; what may have arrived is simply submitted again. Of an answer that was reset away the parent is
 * told that it does not come: it would wait for it.
 */
export function parentChannel({ runner, limits }: ParentDeps): Channel {
  return {
    async send(reply, claim, signal, notes) {
      notes.pieces(1);
      const stale = await staleness(claim);
      const { tenant, principal, requestLabel: requestId, traceparent } = reply;
      const trace = traceparent === "" ? {} : { traceparent };
      const about = { tenant, principal, requestId, ...trace, signal, timeoutMs: limits.submitMs };
      if (stale !== undefined) {
        await runner.submitTurn({ ...turnOf(reply), messages: [] }, about).catch(untilTold);
        throw stale;
      }
      try {
        const { turnId } = await runner.submitTurn(turnOf(reply), about);
        return { kind: "sent", providerMessageId: turnId };
      } catch (error) {
        return outcomeOf(error);
      }
    },
  };
}

/** Undefined: the reply may be sent. */
async function staleness(claim: ClaimSend): Promise<NotSentError | undefined> {
  try {
    await claim();
    return undefined;
  } catch (error) {
    if (!(error instanceof NotSentError)) throw error;
    if (error.why === "stale" || error.why === "raised") return error;
    throw error;
  }
}

/** Tried again later, unless the runner has nobody to tell. */
function untilTold(thrown: unknown): void {
  if (isForGood(thrown)) return;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  throw new NotSentError("unavailable", `its parent could not be told: ${message}`, thrown);
}

function turnOf(reply: Reply): Parameters<RunnerClient["submitTurn"]>[0] {
  const { deliveryId, sessionKey, address, turnId, parts } = reply;
  return {
    idempotencyKey: `delivery/${deliveryId}`,
    fingerprint: createHash("sha256").update(`${deliveryId} ${address}`).digest(),
    target: { case: "session", value: { sessionKey: address } },
    turnClass: TurnClass.SYSTEM,
    messages: [{ role: Role.USER, senderId: sessionKey.slice(0, 256), parts: parts.map(partOf) }],
    origin: { source: "subagent" },
    childTurnId: turnId,
  };
}

function partOf({
  content,
  mediaType,
  fileName,
}: OutboundPart): MessageInitShape<typeof PartSchema> {
  switch (content.case) {
    case "fileUri": {
      const source = { case: "uri", value: content.value } as const;
      return { content: { case: "file", value: { source, mediaType, fileName } } };
    }
    case "fileData": {
      const source = { case: "data", value: content.value } as const;
      return { content: { case: "file", value: { source, mediaType, fileName } } };
    }
    default:
      return { content: { case: "text", value: content.value ?? "" } };
  }
}

/** Without the runner's own word it may have been accepted. */
function outcomeOf(thrown: unknown): SendOutcome {
  const error = thrown instanceof Error ? thrown.message : String(thrown);
  if (!(thrown instanceof LanekeeperError)) return { kind: "unknown", error };
  return isForGood(thrown) ? { kind: "refused", error } : { kind: "failed", error };
}
