import { type Answer, refusal, type ShownReply, type ShownRun, type Told } from "./calls.ts";
import type { Facts, KeyFacts, RunFacts } from "./facts.ts";

/** What STALE_GENERATION and TAKEN_OVER tell: the fence that is current. */
export function current(key: KeyFacts): Told {
  return { generation: key.generation, run: key.holder, epoch: key.epoch };
}

/** The key and the run, where the fence is current; else why it is not. */
export function judgeRun(
  facts: Facts,
  shown: ShownRun,
): { readonly key: KeyFacts; readonly run: RunFacts } | Answer {
  const key = facts.keys.get(shown.key);
  if (key === undefined) return refusal("NOT_FOUND");
  const known = facts.runs.get(shown.run);
  const run = known?.key === shown.key ? known : undefined;
  const held =
    run?.epoch === shown.epoch &&
    run.begun <= shown.generation &&
    shown.generation <= key.generation;
  if (run?.fate === "holds" && held) return { key, run };
  return whyNot(key, run);
}

/** What became of a run's right. A fence that nobody was ever given is stale in either way. */
export function whyNot(key: KeyFacts, run: RunFacts | undefined): Answer {
  switch (run?.fate) {
    case "ended":
      return refusal("RUN_ENDED", { outcome: run.outcome });
    case "taken_over":
      return refusal("TAKEN_OVER", current(key));
    case "rotated":
      return refusal("STALE_GENERATION", { ...current(key), cause: run.rotatedInto });
    default:
      return refusal(["STALE_GENERATION", "TAKEN_OVER"], current(key));
  }
}

/** One number fences a reply. */
export function judgeReply(facts: Facts, shown: ShownReply): KeyFacts | Answer {
  const key = facts.keys.get(shown.key);
  if (key === undefined) return refusal("NOT_FOUND");
  const fits = key.oldestDeliverable <= shown.generation && shown.generation <= key.generation;
  return fits ? key : refusal("STALE_GENERATION", current(key));
}

export function isAnswer(value: object): value is Answer {
  return "refused" in value;
}
