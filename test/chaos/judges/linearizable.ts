import { mayBeDoubled } from "../history/doubled.ts";
import { group, type History } from "../history/history.ts";
import { type KeyOp, stepKey } from "../linear/key-model.ts";
import { NOBODY } from "../linear/key-state.ts";
import { type Linearized, linearize } from "../linear/search.ts";
import { Case, type Judge } from "./judge.ts";

/** A key of some hundred calls takes some thousand steps; past this, seconds, nothing is said of it. */
const MAX_STEPS = 40_000;

/** The calls of each key that only the harness writes to, the first resolve included. */
export function keyOps(history: History): ReadonlyMap<string, readonly KeyOp[]> {
  const ops = new Map<string, KeyOp[]>();
  const keyOf = new Map<string, string>();
  for (const { ask, answer } of history.answered("resolve")) {
    keyOf.set(`${ask.tenant} ${ask.name}`, answer.key);
  }
  for (const op of history.calls("resolve")) {
    const key = keyOf.get(`${op.ask.tenant} ${op.ask.name}`);
    if (key !== undefined) group(ops, `${op.ask.tenant} ${key}`).push(op);
  }
  for (const f of ["rotate", "begin", "write"] as const) {
    for (const op of history.calls(f))
      group(ops, `${op.ask.tenant} ${op.ask.key}`).push(op as KeyOp);
  }
  const runs = new Set(history.values("finalTurn").map(({ tenant, key }) => `${tenant} ${key}`));
  return new Map([...ops].filter(([name]) => !runs.has(name)));
}

/** G3 by replay: resolve, rotate, begin and fenced writes of each key are linearizable. */
export const linearizable: Judge = (history) => {
  const about = new Case("G3", "keys whose calls were put in an order that the model explains");
  const isDoubled = mayBeDoubled(history);
  for (const [name, ops] of keyOps(history)) {
    // A call that may have been made is one more to try everywhere: not before it is needed.
    const twins = ops.filter(isDoubled).flatMap(twinOf);
    const plain = orderOf(ops);
    const result = plain.kind === "no" && twins.length > 0 ? orderOf([...ops, ...twins]) : plain;
    if (result.kind === "yes" && ops.length > 1) about.count();
    if (result.kind !== "no") continue;
    const [, key = name] = name.split(" ");
    const sorted = [...ops, ...(result === plain ? [] : twins)].sort((a, b) => a.start - b.start);
    const stuck = sorted.find(
      (op, index) => !result.longest.includes(index) && op.outcome !== "info",
    );
    const what = stuck === undefined ? "" : `: none of them has ${describe(stuck)}`;
    about.find(
      key,
      stuck?.start ?? 0,
      `no order of the ${ops.length} calls explains the answers${what}`,
    );
  }
  return about.verdict;
};

function orderOf(ops: readonly KeyOp[]): Linearized {
  const calls = ops.map((op) => ({ ...op, optional: op.outcome === "info" }));
  return linearize(calls, stepKey, {
    initial: NOBODY,
    textOf: JSON.stringify,
    maxSteps: MAX_STEPS,
  });
}

/** Who found the key busy has a twin that may have found it free. */
function twinOf(op: KeyOp): readonly KeyOp[] {
  if (op.f !== "begin" || op.refused?.reason !== "SESSION_BUSY") return [];
  const { f, n, process, start, ask } = op;
  return [{ f, n, process, start, end: Infinity, outcome: "info", ask } as KeyOp];
}

function describe(op: KeyOp): string {
  const told = op.outcome === "ok" ? JSON.stringify(op.answer) : op.refused?.reason;
  return `${op.f} ${JSON.stringify(op.ask)} answered ${told}`;
}
