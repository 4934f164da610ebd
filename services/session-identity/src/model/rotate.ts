import { type Answer, grant, read, refusal, type RotateCall } from "./calls.ts";
import type { Facts, KeyFacts } from "./facts.ts";
import { isAnswer, judgeRun } from "./judge.ts";

/** A new generation, once per request id. */
export function rotate(facts: Facts, call: RotateCall): Answer {
  const content = JSON.stringify(call);
  const record = `request ${call.request}`;
  const known = facts.requests.get(call.request);
  if (known !== undefined) {
    return known.content === content ? read(known.tells, record) : refusal("IDEMPOTENCY_MISMATCH");
  }
  const owner = typeof call.when === "object" && "owner" in call.when;
  const key = mayRotate(facts, call);
  if (isAnswer(key)) return key;
  const ended = owner ? "" : key.holder;
  const previous = key.generation;
  newGeneration(facts, key, { owner, parent: call.reason !== "reset" });
  if (call.skip) key.oldestRunnable = key.generation;
  if (call.suppress) key.oldestDeliverable = key.generation;
  const tells = {
    previous,
    generation: key.generation,
    ended,
    owner,
    parent: call.reason === "reset" ? 0 : previous,
    perhapsSent: [...facts.replies.values()].filter(
      (reply) => reply.key === call.key && reply.state === "sending",
    ).length,
  };
  facts.requests.set(call.request, { content, tells });
  return grant(tells, record);
}

function mayRotate(facts: Facts, { key: name, when }: RotateCall): KeyFacts | Answer {
  if (typeof when === "object" && "owner" in when) {
    const judged = judgeRun(facts, when.owner);
    return isAnswer(judged) ? judged : judged.key;
  }
  const key = facts.keys.get(name);
  if (key === undefined) return refusal("NOT_FOUND");
  if (when === "always" || when.generation === key.generation) return key;
  return refusal("GENERATION_MISMATCH");
}

/** Ends the right of the run that holds the key, unless it rotates itself. */
export function newGeneration(
  facts: Facts,
  key: KeyFacts,
  { owner, parent }: { readonly owner: boolean; readonly parent: boolean },
): void {
  key.generation += 1;
  key.rotatedMs = facts.nowMs;
  key.used = owner || parent;
  const holder = facts.runs.get(key.holder);
  if (owner || holder === undefined) return;
  holder.fate = "rotated";
  holder.rotatedInto = key.generation;
  key.holder = "";
}
