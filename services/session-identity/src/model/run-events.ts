import { type Answer, grant, read, refusal, type RunCall } from "./calls.ts";
import { type Facts, type KeyFacts, LEASE_MS, type RunFacts } from "./facts.ts";
import { isAnswer, judgeRun } from "./judge.ts";

/** A run's event. A repeat is looked up before any fence is asked. */
export function writeRun(facts: Facts, call: RunCall): Answer {
  const { shown, seq } = call;
  const known = facts.runs.get(shown.run);
  const run = known?.key === shown.key ? known : undefined;
  if (call.do === "ended") return end(facts, call, run);
  const content = `${call.do} ${call.says}`;
  const written = known?.written.get(seq);
  if (written !== undefined) {
    return written === content && run !== undefined
      ? read({ applied: true }, `run ${shown.run} ${seq}`)
      : refusal("IDEMPOTENCY_MISMATCH");
  }
  const judged = judgeRun(facts, shown);
  return isAnswer(judged) ? judged : accept(facts, call, judged.run, content);
}

/** A heartbeat that a greater number overtook is dropped quietly; the model's name is still news. */
function accept(facts: Facts, call: RunCall, run: RunFacts, content: string): Answer {
  if (call.do === "progress" && call.seq <= run.lastSeq) return read({ applied: false });
  run.lastSeq = Math.max(run.lastSeq, call.seq);
  run.leaseEndMs = facts.nowMs + LEASE_MS;
  run.written.set(call.seq, content);
  return grant({ applied: true }, `run ${call.shown.run} ${call.seq}`);
}

/** One ending per run: the first wins, an equal one repeats it. */
function end(facts: Facts, call: RunCall, run: RunFacts | undefined): Answer {
  const record = `run ${call.shown.run} end`;
  if (run?.fate === "ended" && run.outcome === call.says) return read({ applied: true }, record);
  const judged = judgeRun(facts, call.shown);
  if (isAnswer(judged)) return judged;
  finish(facts, judged.key, judged.run, call.says);
  return grant({ applied: true }, record);
}

function finish(facts: Facts, key: KeyFacts, run: RunFacts, outcome: string): void {
  run.fate = "ended";
  run.outcome = outcome;
  key.holder = "";
  if (run.person) key.personMs = facts.nowMs;
}
