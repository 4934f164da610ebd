/**
 * Room that all tenants share: bytes, requests, entries. It is anybody's until little of it is left. Of that, who has
 * more than its equal share gets nothing, so that a crowd of one tenant does not shut all others out, and a tenant
 * that is alone has nearly all.
 */
export class FairShare {
  readonly #most: number;
  readonly #byTenant = new Map<string, number>();
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Takes room for a tenant. False: there is none for it, and nothing was taken. */
  take(tenant: string, amount = 1): boolean {
    if (!this.#hasRoom(tenant, amount)) return false;
    this.#taken += amount;
    this.#byTenant.set(tenant, this.#of(tenant) + amount);
    return true;
  }

  release(tenant: string, amount = 1): void {
    this.#taken -= amount;
    const left = this.#of(tenant) - amount;
    if (left > 0) this.#byTenant.set(tenant, left);
    else this.#byTenant.delete(tenant);
  }

  #of(tenant: string): number {
    return this.#byTenant.get(tenant) ?? 0;
  }

  #hasRoom(tenant: string, amount: number): boolean {
    const taken = this.#taken + amount;
    if (taken <= this.#most * ANYBODYS) return true;
    // One share is for a tenant that has none yet.
    const share = this.#most / (this.#byTenant.size + 1);
    return taken <= this.#most && this.#of(tenant) + amount <= share;
  }
}

/** What is left above it is for tenants that have little. */
const ANYBODYS = 0.8;
