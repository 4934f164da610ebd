/** Values that come as things happen, until somebody samples them. */
export class Gathered {
  #values: number[] = [];

  add(value: number): void {
    this.#values.push(value);
  }

  /** The quantiles of what came since the last time; undefined where nothing came. */
  take(...quantiles: readonly number[]): number[] | undefined {
    const values = this.#values.sort((a, b) => a - b);
    this.#values = [];
    if (values.length === 0) return undefined;
    return quantiles.map((quantile) => {
      return values[Math.min(values.length - 1, Math.floor(values.length * quantile))] ?? 0;
    });
  }
}
