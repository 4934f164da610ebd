import type { CanonicalKey } from "@lanekeeper/session-key";
import type { BeginCommand } from "../domain/begin-run.ts";
import type { Fence, ReplyFence, SettledState } from "../domain/records.ts";
import type { RotateCommand } from "../domain/rotate.ts";
import type { WriteReplyCommand } from "../domain/write-reply.ts";
import type { RunEvent, WriteRunCommand } from "../domain/write-run.ts";

/** Commands for tests of the rules, each with what the test does not care about filled in. */
export const KEY = "agent:main:chat" as CanonicalKey;

export function runId(number: number): string {
  return `00000000-0000-7000-9000-${String(number).padStart(12, "0")}`;
}

export function beginCommand(run: number, change: Partial<BeginCommand> = {}): BeginCommand {
  return {
    sessionKey: KEY,
    admittedGeneration: 1n,
    admittedSessionId: undefined,
    turnId: `turn-${run}`,
    runId: runId(run),
    leaseMs: 15_000,
    acceptMs: 1_000_000,
    turnClass: "person",
    requiredGeneration: undefined,
    model: "",
    ...change,
  };
}

export function writeCommand(fence: Fence, eventSeq: bigint, event: RunEvent): WriteRunCommand {
  return { fence, eventSeq, event, fingerprint: JSON.stringify(event, textOfInt64) };
}

function textOfInt64(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

export function progress(fence: Fence, eventSeq: bigint, phase = "model"): WriteRunCommand {
  return writeCommand(fence, eventSeq, { kind: "progress", phase });
}

export function ended(
  fence: Fence,
  outcome: "completed" | "failed" | "requeued" = "completed",
): WriteRunCommand {
  return writeCommand(fence, 0n, {
    kind: "ended",
    ...{ outcome, errorReason: "", errorMessage: "", inputTokens: 1n, outputTokens: 2n },
  });
}

export function rotateCommand(change: Partial<RotateCommand> = {}): RotateCommand {
  return {
    sessionKey: KEY,
    reason: "reset",
    precondition: { kind: "none" },
    queuedTurns: "carry",
    pendingReplies: "suppress",
    sourceSessionId: undefined,
    sourceThroughTurnId: "",
    note: "",
    ...change,
  };
}

export function sending(fence: ReplyFence, eventSeq: bigint, attempt = 1): WriteReplyCommand {
  const event = { kind: "sending", attempt } as const;
  return { fence, eventSeq, event, fingerprint: JSON.stringify(event) };
}

export function settled(
  fence: ReplyFence,
  eventSeq: bigint,
  state: SettledState,
  providerMessageId = "",
): WriteReplyCommand {
  const event = { kind: "settled", state, providerMessageId, errorMessage: "" } as const;
  return { fence, eventSeq, event, fingerprint: JSON.stringify(event) };
}
