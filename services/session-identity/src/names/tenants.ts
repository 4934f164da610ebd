import type { Query } from "../store/db.ts";
import { readTenant } from "../store/tenants/read-tenant.ts";
import type { Tenant } from "./tenant.ts";

/** Tenants in the cache; more are read again when they are asked for. */
const MAX_CACHED = 1_000;

/**
 * Tenants' policies as last read. Whoever uses one compares its version, the number of its typed
 * channels and the server's start with what the database said in the same statement as the answer: a stale one is
 * never acted upon.
 */
export class Tenants {
  readonly #query: Query;
  readonly #cached = new Map<string, Promise<Tenant>>();

  constructor(query: Query) {
    this.#query = query;
  }

  get(name: string): Promise<Tenant> {
    return this.#cached.get(name) ?? this.refresh(name);
  }

  /** Reads the tenant again; calls that come meanwhile get the same answer. */
  refresh(name: string): Promise<Tenant> {
    if (this.#cached.size >= MAX_CACHED) this.#cached.clear();
    const read = readTenant(this.#query, name);
    this.#cached.set(name, read);
    read.catch(() => this.#forget(name, read));
    return read;
  }

  #forget(name: string, read: Promise<Tenant>): void {
    if (this.#cached.get(name) === read) this.#cached.delete(name);
  }
}
