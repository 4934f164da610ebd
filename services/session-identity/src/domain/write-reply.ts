import { answered, currentFence, type Decision, type JournalDraft } from "./decision.ts";
import { judgeReply } from "./judge-reply.ts";
import { noSession } from "./judge-run.ts";
import { hasSession, type KeyState } from "./key-state.ts";
import type { EventRecord, ReplyFence, ReplyRecord, SettledState, WriteAnswer } from "./records.ts";
import { isRefusal, type Refusal, refuse } from "./refusal.ts";

export type ReplyEvent =
  | { readonly kind: "sending"; readonly attempt: number }
  | {
      readonly kind: "settled";
      readonly state: SettledState;
      readonly providerMessageId: string;
      readonly errorMessage: string;
    };

export interface WriteReplyCommand {
  readonly fence: ReplyFence;
  /** Only tells events of one reply apart; a lower one that was not seen counts as any other. */
  readonly eventSeq: bigint;
  readonly event: ReplyEvent;
  readonly fingerprint: string;
}

export interface WriteReplyFacts {
  readonly nowMs: number;
  readonly state: KeyState | undefined;
  readonly reply: ReplyRecord | undefined;
  readonly recorded: EventRecord | undefined;
}

/**
 * What delivery writes. Only the claim right before the outside effect meets the fence: what became
 * of a send is recorded even when late.
 */
export function decideWriteReply(
  command: WriteReplyCommand,
  facts: WriteReplyFacts,
): Decision<WriteAnswer> {
  const { recorded } = facts;
  if (recorded !== undefined) {
    if (recorded.fingerprint === command.fingerprint && sameKey(command, recorded)) {
      return answered(recorded.answer);
    }
    return refused(command, facts, otherContent(command, facts.reply));
  }
  if (facts.reply !== undefined && !sameReply(command.fence, facts.reply)) {
    return refused(command, facts, otherContent(command));
  }
  return command.event.kind === "sending"
    ? claim(command, command.event.attempt, facts)
    : settle(command, command.event, facts);
}

function sameKey(command: WriteReplyCommand, recorded: { readonly sessionKey: string }): boolean {
  return recorded.sessionKey === command.fence.sessionKey;
}

function sameReply(fence: ReplyFence, reply: ReplyRecord): boolean {
  return (
    reply.sessionKey === fence.sessionKey &&
    reply.generation === fence.generation &&
    reply.turnId === fence.turnId
  );
}

/** Who is to learn what another process of its own told hears of the reply as it stands. */
function otherContent({ fence, eventSeq }: WriteReplyCommand, known?: ReplyRecord): Refusal {
  const reply = known !== undefined && sameReply(fence, known) ? known : undefined;
  return refuse("IDEMPOTENCY_MISMATCH", "this delivery id or event_seq stands for other content", {
    delivery_id: fence.deliveryId,
    event_seq: String(eventSeq),
    ...(reply === undefined ? {} : recordedOf(reply)),
  });
}

function recordedOf({ state, attempt, providerMessageId }: ReplyRecord): Record<string, string> {
  return {
    recorded_state: state.toUpperCase(),
    recorded_attempt: String(attempt),
    recorded_provider_message_id: providerMessageId,
  };
}

function claim(
  command: WriteReplyCommand,
  attempt: number,
  facts: WriteReplyFacts,
): Decision<WriteAnswer> {
  const judged = judgeReply(facts.state, command.fence);
  if (isRefusal(judged)) return refused(command, facts, judged);
  if (facts.reply?.state === "sent") return refused(command, facts, alreadySent(command));
  const reply: ReplyRecord = {
    ...replyOf(command, facts),
    state: "sending",
    claimed: true,
    attempt,
  };
  return record(command, facts, reply, "");
}

function alreadySent({ fence }: WriteReplyCommand): Refusal {
  return refuse("SUPERSEDED", "the reply was sent; sending it again would repeat it", {
    delivery_id: fence.deliveryId,
    turn_id: fence.turnId,
  });
}

/**
 * A reply that was ever claimed may have arrived: it is never SUPPRESSED, at most UNKNOWN. One that was
 * sent stays sent, with what its channel said, whatever another attempt of it is told to have met: the
 * event is recorded, the reply is not changed. SENT takes the place of all else.
 */
function settle(
  command: WriteReplyCommand,
  event: Extract<ReplyEvent, { kind: "settled" }>,
  facts: WriteReplyFacts,
): Decision<WriteAnswer> {
  if (!hasSession(facts.state)) {
    return refused(command, facts, noSession(command.fence.sessionKey));
  }
  const claimed = facts.reply?.claimed ?? false;
  const state = event.state === "suppressed_stale" && claimed ? "unknown" : event.state;
  const { providerMessageId, errorMessage } = event;
  const known = replyOf(command, facts);
  const reply =
    known.state === "sent" ? known : { ...known, state, providerMessageId, errorMessage };
  return record(command, facts, reply, state.toUpperCase());
}

function replyOf({ fence }: WriteReplyCommand, { nowMs, reply }: WriteReplyFacts): ReplyRecord {
  return {
    deliveryId: fence.deliveryId,
    sessionKey: fence.sessionKey,
    generation: fence.generation,
    turnId: fence.turnId,
    state: reply?.state ?? "unknown",
    claimed: reply?.claimed ?? false,
    attempt: reply?.attempt ?? 0,
    providerMessageId: reply?.providerMessageId ?? "",
    errorMessage: reply?.errorMessage ?? "",
    updateMs: nowMs,
  };
}

/** The key's row does not change, so its revision does not either. */
function record(
  command: WriteReplyCommand,
  facts: WriteReplyFacts,
  reply: ReplyRecord,
  reason: string,
): Decision<WriteAnswer> {
  const answer = { applied: true, leaseMs: 0, revision: facts.state?.revision ?? 0n };
  const event: EventRecord = {
    writerKind: "reply",
    writerId: command.fence.deliveryId,
    eventSeq: command.eventSeq,
    sessionKey: command.fence.sessionKey,
    fingerprint: command.fingerprint,
    answer,
    createMs: facts.nowMs,
  };
  const journal = [{ ...draft(command, facts.state), reason }];
  const written = facts.reply === undefined ? { newReplies: [reply] } : { replies: [reply] };
  return answered(answer, { ...written, events: [event], journal });
}

function draft({ fence, event }: WriteReplyCommand, state: KeyState | undefined): JournalDraft {
  const { sessionKey, sessionId, generation, turnId, deliveryId } = fence;
  return {
    operation: event.kind === "sending" ? "reply_sending" : "reply_settled",
    sessionId,
    generation,
    turnId,
    deliveryId,
    shown: { sessionKey, sessionId, generation, runId: "", runEpoch: 0n },
    ...(hasSession(state) ? { current: currentFence(state) } : {}),
  };
}

function refused(
  command: WriteReplyCommand,
  facts: WriteReplyFacts,
  refusal: Refusal,
): Decision<never> {
  return { refusal, journal: draft(command, facts.state) };
}
