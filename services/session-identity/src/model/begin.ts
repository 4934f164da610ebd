import type { Reason } from "@lanekeeper/rpc";
import { type Answer, type BeginCall, grant, refusal } from "./calls.ts";
import { type Facts, IDLE_MS, type KeyFacts, LEASE_MS, type RunFacts } from "./facts.ts";
import { whyNot } from "./judge.ts";
import { newGeneration } from "./rotate.ts";

/** A run takes a key. A run id that began never begins again. */
export function begin(facts: Facts, call: BeginCall): Answer {
  const known = facts.runs.get(call.run);
  if (known !== undefined) return again(facts, call, known);
  const key = facts.keys.get(call.key);
  if (key === undefined) return refusal("NOT_FOUND");
  const reasons = against(facts, call, key);
  if (reasons.length > 0) {
    const told = reasons.length === 1 && reasons[0] === "SESSION_BUSY";
    return refusal(reasons, told ? { holder: key.holder } : {});
  }
  const rolledOver = isIdle(facts, call, key);
  if (rolledOver) newGeneration(facts, key, { owner: false, parent: false });
  const takenOver = key.holder;
  const lost = facts.runs.get(takenOver);
  if (lost !== undefined) lost.fate = "taken_over";
  take(facts, call, key);
  return grant({ ...fenceOf(call.run, facts), takenOver, rolledOver });
}

function again(facts: Facts, call: BeginCall, run: RunFacts): Answer {
  if (run.key !== call.key || run.turn !== call.turn) return refusal("IDEMPOTENCY_MISMATCH");
  const key = facts.keys.get(run.key);
  if (key === undefined) throw new Error("a run began under a key");
  if (run.fate !== "holds") return whyNot(key, run);
  run.leaseEndMs = facts.nowMs + LEASE_MS;
  return grant({ ...fenceOf(call.run, facts), takenOver: "", rolledOver: false });
}

function against(facts: Facts, call: BeginCall, key: KeyFacts): Reason[] {
  const reasons: Reason[] = [];
  if (call.admitted < key.oldestRunnable) reasons.push("TURN_SKIPPED");
  if (call.required !== undefined && call.required !== key.generation) {
    reasons.push("GENERATION_MISMATCH");
  }
  const holder = facts.runs.get(key.holder);
  if (holder !== undefined && holder.leaseEndMs > facts.nowMs) reasons.push("SESSION_BUSY");
  return reasons;
}

/** For a person's turn alone, never while a run is active, and not where nobody spoke yet. */
function isIdle(facts: Facts, call: BeginCall, key: KeyFacts): boolean {
  if (!call.person || call.required !== undefined || key.holder !== "" || !key.used) return false;
  return facts.nowMs - Math.max(key.personMs, key.rotatedMs) >= IDLE_MS;
}

function take(facts: Facts, call: BeginCall, key: KeyFacts): void {
  key.epoch += 1;
  key.holder = call.run;
  key.used = true;
  if (call.person) key.personMs = facts.nowMs;
  facts.runs.set(call.run, {
    key: call.key,
    turn: call.turn,
    person: call.person,
    epoch: key.epoch,
    begun: key.generation,
    leaseEndMs: facts.nowMs + LEASE_MS,
    lastSeq: 0,
    fate: "holds",
    rotatedInto: 0,
    outcome: "",
    written: new Map(),
  });
}

/** The fence that a run got when it began, which is what repeats get too. */
function fenceOf(name: string, facts: Facts) {
  const run = facts.runs.get(name);
  if (run === undefined) throw new Error("the run has begun");
  return { generation: run.begun, run: name, epoch: run.epoch };
}
