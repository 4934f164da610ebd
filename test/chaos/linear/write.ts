import type { Op } from "../history/history.ts";
import { REASON } from "./begin.ts";
import { type KeyState, type RunState, withRun } from "./key-state.ts";

/** A run's event. A repeat gets its recorded answer; only an unseen event meets the fence. */
export function write(state: KeyState, op: Op<"write">): readonly KeyState[] {
  const run = state.runs[op.ask.run];
  if (run === undefined) return [];
  const isRepeat = repeats(run, op);
  if (op.outcome === "fail") return !isRepeat && isRightlyRefused(state, run, op) ? [state] : [];
  if (isRepeat) return op.outcome === "ok" ? [state] : [];
  if (run.fate !== "holds" || op.ask.epoch !== run.epoch) return [];
  return accepted(state, run, op);
}

function repeats(run: RunState, { ask }: Op<"write">): boolean {
  if (ask.event === "ended") return run.fate === "ended" && run.outcome === ask.says;
  return run.written[ask.seq] === contentOf(ask);
}

function contentOf({ event, says }: Op<"write">["ask"]): string {
  return `${event} ${says}`;
}

function isRightlyRefused(state: KeyState, run: RunState, { ask, refused }: Op<"write">): boolean {
  if (refused === undefined) return false;
  const { reason, current } = refused;
  if (reason === "IDEMPOTENCY_MISMATCH") return run.written[ask.seq] !== undefined;
  if (run.fate === "holds" || reason !== REASON[run.fate]) return false;
  return (
    current === undefined ||
    (current.generation === state.generation &&
      current.epoch === state.epoch &&
      current.run === state.holder)
  );
}

function accepted(state: KeyState, run: RunState, op: Op<"write">): readonly KeyState[] {
  const { ask, answer } = op;
  if (ask.event === "ended") {
    return [{ ...withRun(state, ask.run, { fate: "ended", outcome: ask.says }), holder: "" }];
  }
  const isOvertaken = ask.event === "progress" && ask.seq <= run.lastSeq;
  if (answer !== undefined && answer.applied === isOvertaken) return [];
  if (isOvertaken) return [state];
  const written = { ...run.written, [ask.seq]: contentOf(ask) };
  return [withRun(state, ask.run, { written, lastSeq: Math.max(run.lastSeq, ask.seq) })];
}
