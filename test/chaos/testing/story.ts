import type { CallName, Calls, Refused } from "../history/calls.ts";
import { History, type Op, type Sight } from "../history/history.ts";
import type { SightName, Sights } from "../history/sights.ts";

type Ask<F extends CallName> = Calls[F]["ask"];
type Span = readonly [start: number, end: number];

/** A history made by hand. */
export class Story {
  readonly #ops: Op[] = [];
  readonly #sights: Sight[] = [];

  ok<F extends CallName>(f: F, [start, end]: Span, ask: Ask<F>, answer: Calls[F]["answer"]): this {
    return this.#add({ ...this.#head(f), start, end, outcome: "ok", ask, answer } as Op);
  }

  fail<F extends CallName>(
    f: F,
    [start, end]: Span,
    ask: Ask<F>,
    reason: string,
    more: Partial<Refused> = {},
  ): this {
    const refused = { reason, metadata: {}, ...more };
    return this.#add({ ...this.#head(f), start, end, outcome: "fail", ask, refused } as Op);
  }

  info<F extends CallName>(f: F, start: number, ask: Ask<F>): this {
    return this.#add({ ...this.#head(f), start, end: Infinity, outcome: "info", ask } as Op);
  }

  saw<F extends SightName>(f: F, at: number, value: Sights[F]): this {
    this.#sights.push({ f, at, value } as Sight);
    return this;
  }

  get history(): History {
    return new History(this.#ops, this.#sights);
  }

  #head(f: CallName) {
    return { f, n: this.#ops.length, process: "hand" };
  }

  #add(op: Op): this {
    this.#ops.push(op);
    return this;
  }
}
