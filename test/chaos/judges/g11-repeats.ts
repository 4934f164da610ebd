import { groupBy, type History } from "../history/history.ts";
import { Case, type Judge } from "./judge.ts";

/** A repeated request has the effect of one; the same id with other content is refused. */
export const repeats: Judge = (history) => {
  const about = new Case("G11", "repeats that got the first answer");
  judgeTurns(history, about);
  judgeRotations(history, about);
  judgeWrites(history, about);
  return about.verdict;
};

function judgeTurns(history: History, about: Case): void {
  const calls = groupBy(history.answered("turn"), ({ ask }) => `${ask.tenant} ${ask.idempotency}`);
  for (const [id, ops] of calls) {
    const turns = [...new Set(ops.map(({ answer }) => answer.turnId))];
    const contents = new Set(ops.map(({ ask }) => `${ask.name} ${ask.text}`));
    const [, second] = ops;
    if (second === undefined) continue;
    if (contents.size > 1) {
      about.find(second.answer.key, second.end, `${id} was accepted with two contents`);
    } else if (turns.length > 1) {
      about.find(second.answer.key, second.end, `${id} was accepted as ${turns.join(" and as ")}`);
    } else about.count(ops.length - 1);
    judgeReplies(about, id, ops);
  }
  const finals = history.values("finalTurn").filter(({ idempotency }) => idempotency !== "");
  for (const [id, all] of groupBy(finals, (turn) => `${turn.tenant} ${turn.idempotency}`)) {
    if (all.length > 1) about.find(all[0]?.key ?? "", 0, `${id} has ${all.length} turns`);
  }
}

function judgeReplies(
  about: Case,
  id: string,
  ops: readonly {
    readonly answer: { readonly key: string; readonly reply: string };
    readonly end: number;
  }[],
): void {
  const replies = new Set(ops.map(({ answer }) => answer.reply).filter((reply) => reply !== ""));
  if (replies.size > 1) {
    about.find(ops[0]?.answer.key ?? "", ops[1]?.end ?? 0, `${id} was answered with two replies`);
  }
}

function judgeRotations(history: History, about: Case): void {
  for (const [id, ops] of groupBy(history.answered("rotate"), ({ ask }) => ask.request)) {
    const [, second] = ops;
    if (second === undefined) continue;
    const told = new Set(ops.map(({ answer }) => `${answer.generation} ${answer.sessionId}`));
    const asked = new Set(ops.map(({ ask }) => `${ask.key} ${ask.expected}`));
    if (asked.size > 1) {
      about.find(second.ask.key, second.end, `the rotation ${id} was accepted with two contents`);
    } else if (told.size > 1) {
      about.find(
        second.ask.key,
        second.end,
        `the rotation ${id} was told as ${[...told].join(" and as ")}`,
      );
    } else about.count(ops.length - 1);
  }
}

/** One event_seq of a run is one event. */
function judgeWrites(history: History, about: Case): void {
  const written = history
    .answered("write")
    .filter(({ ask, answer }) => ask.seq > 0 && answer.applied);
  for (const [id, ops] of groupBy(written, ({ ask }) => `${ask.run} ${ask.seq}`)) {
    const contents = new Set(ops.map(({ ask }) => `${ask.event} ${ask.says}`));
    const [, second] = ops;
    if (second === undefined) continue;
    if (contents.size > 1)
      about.find(second.ask.key, second.end, `${id} was written with two contents`);
    else about.count(ops.length - 1);
  }
}
