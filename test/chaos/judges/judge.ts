import type { History } from "../history/history.ts";

export const GUARANTEES = [
  ...["G1", "G2", "G3", "G4", "G5", "G6", "G7", "G8"],
  ...["G9", "G10", "G11", "G12", "G13", "G14", "G15", "G16"],
] as const;
export type Guarantee = (typeof GUARANTEES)[number];

/** A guarantee was not kept. */
export interface Finding {
  readonly guarantee: Guarantee;
  /** For people: what was seen that may not be. */
  readonly what: string;
  /** The session key that it is about; empty: none. */
  readonly key: string;
  /** When, by the record's clock. */
  readonly at: number;
}

/** What one judge says. A guarantee without evidence was not exercised, which is not held. */
export interface Verdict {
  readonly guarantee: Guarantee;
  /** What was counted as evidence. */
  readonly counted: string;
  readonly evidence: number;
  readonly findings: readonly Finding[];
}

/** A pure function of the history. */
export type Judge = (history: History) => Verdict;

/** Collects what a judge finds and counts. */
export class Case {
  readonly #guarantee: Guarantee;
  readonly #counted: string;
  readonly #findings: Finding[] = [];
  #evidence = 0;

  constructor(guarantee: Guarantee, counted: string) {
    this.#guarantee = guarantee;
    this.#counted = counted;
  }

  count(more = 1): void {
    this.#evidence += more;
  }

  find(key: string, at: number, what: string): void {
    this.#findings.push({ guarantee: this.#guarantee, what, key, at });
  }

  get verdict(): Verdict {
    return {
      guarantee: this.#guarantee,
      counted: this.#counted,
      evidence: this.#evidence,
      findings: this.#findings,
    };
  }
}
