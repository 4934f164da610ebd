import { type Answer, grant, read, refusal, type ReplyCall } from "./calls.ts";
import type { Facts, ReplyFacts } from "./facts.ts";
import { isAnswer, judgeReply } from "./judge.ts";

/** A reply's event: only the claim meets the fence, what became of a send is always recorded. */
export function writeReply(facts: Facts, call: ReplyCall): Answer {
  const { shown, seq } = call;
  const known = facts.replies.get(shown.delivery);
  const content = call.do === "settled" ? `settled ${call.state}` : "sending";
  const record = `reply ${shown.delivery} ${seq}`;
  const written = known?.written.get(seq);
  if (written !== undefined) {
    return written === content && known?.key === shown.key
      ? read({ applied: true }, record)
      : refusal("IDEMPOTENCY_MISMATCH");
  }
  if (known !== undefined && !isSame(known, call)) return refusal("IDEMPOTENCY_MISMATCH");
  const judged = call.do === "sending" ? judgeReply(facts, shown) : facts.keys.get(shown.key);
  if (judged === undefined) return refusal("NOT_FOUND");
  if (isAnswer(judged)) return judged;
  if (call.do === "sending" && known?.state === "sent") return refusal("SUPERSEDED");
  const reply = known ?? newReply(facts, call);
  apply(reply, call);
  reply.written.set(seq, content);
  return grant({ applied: true }, record);
}

function isSame(known: ReplyFacts, { shown }: ReplyCall): boolean {
  return (
    known.key === shown.key && known.generation === shown.generation && known.turn === shown.turn
  );
}

function newReply(facts: Facts, { shown }: ReplyCall): ReplyFacts {
  const { key, generation, turn, delivery } = shown;
  const reply: ReplyFacts = {
    key,
    generation,
    turn,
    state: "unknown",
    claimed: false,
    written: new Map(),
  };
  facts.replies.set(delivery, reply);
  return reply;
}

/** What was sent stays sent. Once claimed it may have arrived: never suppressed, at most unknown. */
function apply(reply: ReplyFacts, call: ReplyCall): void {
  if (call.do === "sending") {
    reply.state = "sending";
    reply.claimed = true;
    return;
  }
  if (reply.state === "sent") return;
  const { state } = call;
  reply.state = state === "suppressed_stale" && reply.claimed ? "unknown" : state;
}
