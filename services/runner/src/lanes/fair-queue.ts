import { type ShareBounds, Shares } from "../domain/shares.ts";

/**
 * What waits for room on this replica, once each: of the tenants that may have some, the one first that has
 * least; of a tenant the first first.
 */
export class FairQueue<T extends { readonly tenant: string }> {
  readonly #of = new Map<string, Map<string, T>>();
  readonly #counts: Shares;

  constructor(bounds: ShareBounds) {
    this.#counts = new Shares(bounds);
  }

  /** Past the bound nothing is added. */
  add(id: string, one: T): void {
    const { tenant } = one;
    const ofTenant = this.#of.get(tenant) ?? new Map<string, T>();
    if (ofTenant.has(id) || !this.#counts.hasRoomFor(tenant)) return;
    this.#of.set(tenant, ofTenant.set(id, one));
    this.#counts.change(tenant, 1);
  }

  /** Takes the next one out. Undefined: none may go on. */
  next(rooms: { hasFor(tenant: string): boolean; of(tenant: string): number }): T | undefined {
    let least: { readonly tenant: string; readonly has: number } | undefined;
    for (const tenant of this.#of.keys()) {
      const has = rooms.of(tenant);
      if ((least === undefined || has < least.has) && rooms.hasFor(tenant)) least = { tenant, has };
    }
    const ofTenant = least && this.#of.get(least.tenant);
    const [first] = ofTenant ?? [];
    if (least === undefined || ofTenant === undefined || first === undefined) return undefined;
    const [id, one] = first;
    ofTenant.delete(id);
    if (ofTenant.size === 0) this.#of.delete(least.tenant);
    this.#counts.change(least.tenant, -1);
    return one;
  }
}
