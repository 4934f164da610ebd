import { mayBeDoubled } from "../history/doubled.ts";
import { groupBy, type History, type Op } from "../history/history.ts";
import { Case, type Judge } from "./judge.ts";

/** Every STALE has a rotation or a takeover that justifies it, and every takeover a lease that was over. */
export const noFalseStale: Judge = (history) => {
  const about = new Case("G4", "STALE answers and takeovers that were justified");
  const rotations = groupBy(history.calls("rotate"), ({ ask }) => `${ask.tenant} ${ask.key}`);
  const begins = groupBy(history.calls("begin"), ({ ask }) => `${ask.tenant} ${ask.key}`);
  const isDoubled = mayBeDoubled(history);
  for (const op of stale(history)) {
    const key = `${op.ask.tenant} ${op.ask.key}`;
    const born = (begins.get(key) ?? []).find(({ ask }) => ask.run === op.ask.run);
    if (born === undefined) continue;
    const reason = op.refused?.reason ?? "";
    const causes =
      reason === "STALE_GENERATION"
        ? (rotations.get(key) ?? [])
        : (begins.get(key) ?? []).filter(({ ask }) => ask.run !== op.ask.run);
    const isCause = (cause: Op) =>
      (cause.outcome !== "fail" && cause.start < op.end && cause.end > born.start) ||
      (isDoubled(cause) && cause.start < op.end);
    if (causes.some(isCause)) about.count();
    else about.find(op.ask.key, op.end, `${reason} of run ${op.ask.run}, whose right nobody ended`);
  }
  judgeTakeovers(history, about);
  return about.verdict;
};

function stale(history: History) {
  const refusedOps: (Op<"write"> | Op<"begin">)[] = [
    ...history.calls("write"),
    ...history.calls("begin"),
  ];
  return refusedOps.filter(({ refused }) =>
    /^(STALE_GENERATION|TAKEN_OVER)$/.test(refused?.reason ?? ""),
  );
}

/** The lease counts from when the service decided, which is after the request was sent. */
function judgeTakeovers(history: History, about: Case): void {
  const writes = groupBy(history.calls("write"), ({ ask }) => ask.run);
  const begins = history.answered("begin");
  const byRun = groupBy(begins, ({ ask }) => ask.run);
  for (const { ask, answer, start, end } of begins) {
    const [lost] = byRun.get(answer.takenOver) ?? [];
    if (lost === undefined) continue;
    const renewals = [lost, ...renewalsOf(writes.get(answer.takenOver) ?? [])];
    const before = renewals.filter((renewal) => renewal.end < start);
    const last = Math.max(...before.map((renewal) => renewal.start));
    if (end >= last + lost.ask.leaseMs) {
      about.count();
      continue;
    }
    const left = Math.round(last + lost.ask.leaseMs - end);
    about.find(
      ask.key,
      end,
      `run ${answer.takenOver} was taken over ${left} ms before its lease was over`,
    );
  }
}

/** A repeat gets its recorded answer and renews nothing: an event counts from its first attempt. */
function renewalsOf(writes: readonly Op<"write">[]): { start: number; end: number }[] {
  const events = groupBy(writes, ({ ask }) => `${ask.seq} ${ask.event} ${ask.says}`);
  return [...events.values()].flatMap((attempts) => {
    const applied = attempts.filter(({ answer, ask }) => answer?.applied && ask.event !== "ended");
    if (applied.length === 0) return [];
    const start = Math.min(...attempts.map((attempt) => attempt.start));
    return [{ start, end: Math.min(...applied.map((attempt) => attempt.end)) }];
  });
}
