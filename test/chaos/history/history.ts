import type { CallName, Calls, Refused } from "./calls.ts";
import type { Line } from "./line.ts";
import type { SightName, Sights } from "./sights.ts";

/** One call: from when it was made to when it was answered; Infinity where it never was. */
export interface Op<F extends CallName = CallName> {
  readonly f: F;
  readonly n: number;
  readonly process: string;
  readonly start: number;
  readonly end: number;
  /** `info`: it may or may not have taken effect, at any time since. */
  readonly outcome: "ok" | "fail" | "info";
  readonly ask: Calls[F]["ask"];
  /** Of `ok`. */
  readonly answer?: Calls[F]["answer"];
  /** Of `fail`. */
  readonly refused?: Refused;
  /** Of `info`: why nobody knows. */
  readonly unknown?: string;
}

export interface Sight<F extends SightName = SightName> {
  readonly f: F;
  readonly at: number;
  readonly value: Sights[F];
}

/** An op that was answered. */
export type Answered<F extends CallName> = Op<F> & { readonly answer: Calls[F]["answer"] };

/** What was recorded, by what it is. */
export class History {
  readonly ops: readonly Op[];
  readonly sights: readonly Sight[];
  readonly #ops = new Map<CallName, Op[]>();
  readonly #sights = new Map<SightName, Sight[]>();

  constructor(ops: readonly Op[], sights: readonly Sight[]) {
    this.ops = [...ops].sort((a, b) => a.start - b.start);
    this.sights = [...sights].sort((a, b) => a.at - b.at);
    for (const op of this.ops) group(this.#ops, op.f).push(op);
    for (const sight of this.sights) group(this.#sights, sight.f).push(sight);
  }

  /** In the order of their starts. */
  calls<F extends CallName>(f: F): readonly Op<F>[] {
    return (this.#ops.get(f) ?? []) as unknown as Op<F>[];
  }

  answered<F extends CallName>(f: F): readonly Answered<F>[] {
    return this.calls(f).filter((op): op is Answered<F> => op.outcome === "ok");
  }

  /** In the order in which they were seen. */
  seen<F extends SightName>(f: F): readonly Sight<F>[] {
    return (this.#sights.get(f) ?? []) as unknown as Sight<F>[];
  }

  values<F extends SightName>(f: F): readonly Sights[F][] {
    return this.seen(f).map(({ value }) => value);
  }
}

/** The list of a key, made where there is none. */
export function group<K, V>(map: Map<K, V[]>, key: K): V[] {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made: V[] = [];
  map.set(key, made);
  return made;
}

/** Groups by a text. */
export function groupBy<V>(values: readonly V[], keyOf: (value: V) => string): Map<string, V[]> {
  const map = new Map<string, V[]>();
  for (const value of values) group(map, keyOf(value)).push(value);
  return map;
}

/** Pairs each invocation with its answer; one without stays unknown. */
export function historyOf(lines: readonly Line[]): History {
  const ops = new Map<number, Op>();
  const sights: Sight[] = [];
  for (const line of lines) {
    if (line.type === "seen") {
      sights.push({ f: line.f, at: line.at, value: line.value });
    } else if (line.type === "invoke") {
      const { f, op: n, process, at: start, value: ask } = line;
      ops.set(n, { f, n, process, start, end: Infinity, outcome: "info", ask } as Op);
    } else {
      const op = ops.get(line.op);
      if (op === undefined) throw new Error(`line of an op ${line.op} that nobody invoked`);
      ops.set(line.op, ended(op, line));
    }
  }
  return new History([...ops.values()], sights);
}

function ended(op: Op, line: Exclude<Line, { type: "seen" | "invoke" }>): Op {
  if (line.type === "info") return { ...op, unknown: String(line.value) };
  return line.type === "ok"
    ? { ...op, end: line.at, outcome: "ok", answer: line.value as Calls[CallName]["answer"] }
    : { ...op, end: line.at, outcome: "fail", refused: line.value as Refused };
}
