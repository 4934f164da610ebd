import { begin } from "./begin.ts";
import { type Answer, type Call, grant, read } from "./calls.ts";
import type { Facts, KeyFacts } from "./facts.ts";
import { current, isAnswer, judgeReply, judgeRun } from "./judge.ts";
import { writeReply } from "./reply-events.ts";
import { rotate } from "./rotate.ts";
import { writeRun } from "./run-events.ts";

export interface Stepped {
  readonly facts: Facts;
  readonly answer: Answer;
}

/**
 * The contract as one state machine: what a call is answered, and what is known afterwards. It keeps
 * whole histories where the service keeps numbers, and shares no code with it.
 */
export function step(before: Facts, call: Call): Stepped {
  const facts = structuredClone(before);
  const answer = take(facts, call);
  return { facts: answer.writes ? facts : before, answer };
}

/** Time goes by. */
export function wait(before: Facts, ms: number): Facts {
  return { ...before, nowMs: before.nowMs + ms };
}

function take(facts: Facts, call: Call): Answer {
  switch (call.do) {
    case "reserve":
    case "resolve":
      return resolve(facts, call.key);
    case "begin":
      return begin(facts, call);
    case "started":
    case "progress":
    case "ended":
      return writeRun(facts, call);
    case "rotate":
      return rotate(facts, call);
    case "sending":
    case "settled":
      return writeReply(facts, call);
    case "check_run": {
      const judged = judgeRun(facts, call.shown);
      return isAnswer(judged) ? judged : read(current(judged.key));
    }
    case "check_reply": {
      const judged = judgeReply(facts, call.shown);
      return isAnswer(judged) ? judged : read(current(judged));
    }
  }
}

/** First contact mints; whoever comes later joins. */
function resolve(facts: Facts, name: string): Answer {
  const known = facts.keys.get(name);
  if (known !== undefined) return read(standing(known));
  const key: KeyFacts = {
    generation: 1,
    epoch: 0,
    holder: "",
    oldestRunnable: 1,
    oldestDeliverable: 1,
    rotatedMs: facts.nowMs,
    personMs: 0,
    used: false,
  };
  facts.keys.set(name, key);
  return grant(standing(key));
}

function standing(key: KeyFacts) {
  const { oldestRunnable, oldestDeliverable } = key;
  return { ...current(key), oldestRunnable, oldestDeliverable };
}
