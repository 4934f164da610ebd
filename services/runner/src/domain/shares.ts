/** Places that whoever comes may have, and more that are kept for tenants that have few. */
export interface ShareBounds {
  readonly forAll: number;
  readonly keptForFew: number;
  /** Below so many a tenant has few. */
  readonly few: number;
}

/**
 * How many places each tenant has of a bounded number. While there is no way to take one back, a place that is to
 * be had when it is needed is one that a tenant with many was not given.
 */
export class Shares {
  readonly #bounds: ShareBounds;
  readonly #of = new Map<string, number>();
  #total = 0;

  constructor(bounds: ShareBounds) {
    this.#bounds = bounds;
  }

  get total(): number {
    return this.#total;
  }

  of(tenant: string): number {
    return this.#of.get(tenant) ?? 0;
  }

  /** Whether the tenant may have one more, besides what is taken elsewhere of the same places. */
  hasRoomFor(tenant: string, besides?: Pick<Shares, "total" | "of">): boolean {
    const { forAll, keptForFew, few } = this.#bounds;
    const total = this.#total + (besides?.total ?? 0);
    if (total < forAll) return true;
    return total < forAll + keptForFew && this.of(tenant) + (besides?.of(tenant) ?? 0) < few;
  }

  change(tenant: string, by: number): void {
    const has = this.of(tenant) + by;
    if (has === 0) this.#of.delete(tenant);
    else this.#of.set(tenant, has);
    this.#total += by;
  }

  tenants(): IterableIterator<string> {
    return this.#of.keys();
  }
}
