/** A value at a time of the run. */
export interface Point {
  readonly atSeconds: number;
  readonly value: number;
}

export interface Series {
  /** Such as "resident memory". */
  readonly group: string;
  /** Such as "runner-1". */
  readonly name: string;
  readonly points: readonly Point[];
}

/** What was measured over a run, by what it is and whose. */
export class Samples {
  readonly #series = new Map<string, { group: string; name: string; points: Point[] }>();
  readonly #startMs = performance.now();
  /** Things that happened, for the picture. */
  readonly marks: { readonly atSeconds: number; readonly what: string }[] = [];

  get nowSeconds(): number {
    return (performance.now() - this.#startMs) / 1_000;
  }

  note(group: string, name: string, value: number): void {
    const id = `${group}\n${name}`;
    const series = this.#series.get(id) ?? { group, name, points: [] };
    series.points.push({ atSeconds: Math.round(this.nowSeconds * 10) / 10, value });
    this.#series.set(id, series);
  }

  mark(what: string): void {
    this.marks.push({ atSeconds: this.nowSeconds, what });
  }

  /** In the order in which they were first seen. */
  get all(): readonly Series[] {
    return [...this.#series.values()];
  }
}
