/** One call as the search sees it; `end` is Infinity where its outcome is unknown. */
export interface Timed {
  readonly start: number;
  readonly end: number;
  /** An unknown one may be left out. */
  readonly optional: boolean;
}

/** What a state becomes by a call; empty: the call cannot stand here. */
export type Model<S, C extends Timed> = (state: S, call: C) => readonly S[];

export type Linearized =
  | { readonly kind: "yes"; readonly steps: number }
  | { readonly kind: "no"; readonly steps: number; readonly longest: readonly number[] }
  /** The bound on steps was reached. */
  | { readonly kind: "undecided"; readonly steps: number };

export interface SearchOptions<S> {
  readonly initial: S;
  /** Equal texts for equal states. */
  readonly textOf: (state: S) => string;
  readonly maxSteps: number;
}

/**
 * Is there an order of the calls that the model explains and in which no call comes before one that had
 * been answered when it was made? The search of Wing and Gong, with Lowe's memory of what was tried.
 */
export function linearize<S, C extends Timed>(
  calls: readonly C[],
  model: Model<S, C>,
  options: SearchOptions<S>,
): Linearized {
  const search = new Search(calls, model, options);
  return search.run();
}

class Search<S, C extends Timed> {
  readonly #calls: readonly C[];
  readonly #model: Model<S, C>;
  readonly #options: SearchOptions<S>;
  readonly #done: boolean[];
  readonly #order: number[] = [];
  readonly #tried = new Set<string>();
  #longest: readonly number[] = [];
  #steps = 0;

  constructor(calls: readonly C[], model: Model<S, C>, options: SearchOptions<S>) {
    this.#calls = [...calls].sort((a, b) => a.start - b.start);
    this.#model = model;
    this.#options = options;
    this.#done = calls.map(() => false);
  }

  run(): Linearized {
    const found = this.#from(this.#options.initial, 0);
    const steps = this.#steps;
    if (found === undefined) return { kind: "undecided", steps };
    return found ? { kind: "yes", steps } : { kind: "no", steps, longest: this.#longest };
  }

  /** `first` is the first call that is not done. Undefined: out of steps. */
  #from(state: S, first: number): boolean | undefined {
    if (this.#isComplete(first)) return true;
    if (++this.#steps > this.#options.maxSteps) return undefined;
    const key = `${this.#doneText(first)}|${this.#options.textOf(state)}`;
    if (this.#tried.has(key)) return false;
    this.#tried.add(key);
    for (const index of this.#candidates(first)) {
      const call = this.#calls[index];
      if (call === undefined) continue;
      for (const next of this.#model(state, call)) {
        const found = this.#take(index, next, first);
        if (found !== false) return found;
      }
    }
    return false;
  }

  #take(index: number, next: S, first: number): boolean | undefined {
    this.#done[index] = true;
    this.#order.push(index);
    if (this.#order.length > this.#longest.length) this.#longest = [...this.#order];
    let from = first;
    while (this.#done[from] === true) from += 1;
    const found = this.#from(next, from);
    this.#order.pop();
    this.#done[index] = false;
    return found;
  }

  #isComplete(first: number): boolean {
    for (let index = first; index < this.#calls.length; index++) {
      if (this.#done[index] !== true && this.#calls[index]?.optional !== true) return false;
    }
    return true;
  }

  /** Calls made before any other that is not done was answered; those of a known outcome first. */
  #candidates(first: number): number[] {
    const open: number[] = [];
    let bound = Infinity;
    for (let index = first; index < this.#calls.length; index++) {
      const call = this.#calls[index];
      if (call === undefined || call.start > bound) break;
      if (this.#done[index] === true) continue;
      open.push(index);
      bound = Math.min(bound, call.end);
    }
    const known = open.filter((index) => this.#calls[index]?.optional !== true);
    return [...known, ...open.filter((index) => this.#calls[index]?.optional === true)];
  }

  #doneText(first: number): string {
    const later: number[] = [];
    for (const index of this.#order) if (index >= first) later.push(index);
    return `${first}:${later.sort((a, b) => a - b).join(",")}`;
  }
}
