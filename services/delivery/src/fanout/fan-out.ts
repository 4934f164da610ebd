import type { Subscriber } from "./subscriber.ts";
import type { Told } from "./told.ts";
import { isAllowed, type WatchFilter } from "./watch-filter.ts";

interface Member {
  readonly filter: WatchFilter;
  readonly subscriber: Subscriber;
}

/**
 * Who is told of a key. Members are found by tenant and prefix, so that a change costs as much as there
 * are different lengths of prefixes, and not as there are subscribers; nobody of another tenant is even
 * looked at.
 */
export class FanOut {
  readonly #tenants = new Map<string, Prefixes>();

  /** Gives an end to it. */
  add(filter: WatchFilter, subscriber: Subscriber): () => void {
    const { tenant, prefix } = filter;
    const member = { filter, subscriber };
    const prefixes = this.#tenants.get(tenant) ?? new Prefixes();
    this.#tenants.set(tenant, prefixes);
    prefixes.add(prefix, member);
    return () => {
      prefixes.remove(prefix, member);
      if (prefixes.isEmpty) this.#tenants.delete(tenant);
    };
  }

  /** Tells those who want the key; `make` is called once, and only where somebody does. */
  tell(tenant: string, sessionKey: string, make: () => Told): void {
    const told = once(make);
    for (const { subscriber } of this.#wanting(tenant, sessionKey)) subscriber.push(told());
  }

  /** The same of a key that leads to another: those who may not reach that are not told which it is. */
  tellLeading(
    tenant: string,
    { from, to }: { readonly from: string; readonly to: string },
    make: (to: string) => Told,
  ): void {
    const [whole, bounded] = [once(() => make(to)), once(() => make(""))];
    for (const { filter, subscriber } of this.#wanting(tenant, from)) {
      subscriber.push(isAllowed(filter, to) ? whole() : bounded());
    }
  }

  /** Ends all. */
  fail(error: unknown): void {
    for (const prefixes of this.#tenants.values()) {
      for (const { subscriber } of prefixes.all()) subscriber.fail(error);
    }
  }

  *#wanting(tenant: string, sessionKey: string): Generator<Member> {
    for (const member of this.#tenants.get(tenant)?.covering(sessionKey) ?? []) {
      if (isAllowed(member.filter, sessionKey)) yield member;
    }
  }
}

function once(make: () => Told): () => Told {
  let made: Told | undefined;
  return () => (made ??= make());
}

/** Members of one tenant by their prefix, and how many prefixes there are of each length. */
class Prefixes {
  readonly #members = new Map<string, Set<Member>>();
  readonly #lengths = new Map<number, number>();

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  add(prefix: string, member: Member): void {
    const members = this.#members.get(prefix);
    if (members !== undefined) {
      members.add(member);
      return;
    }
    this.#members.set(prefix, new Set([member]));
    this.#lengths.set(prefix.length, (this.#lengths.get(prefix.length) ?? 0) + 1);
  }

  remove(prefix: string, member: Member): void {
    const members = this.#members.get(prefix);
    if (!members?.delete(member) || members.size > 0) return;
    this.#members.delete(prefix);
    const left = (this.#lengths.get(prefix.length) ?? 0) - 1;
    if (left > 0) this.#lengths.set(prefix.length, left);
    else this.#lengths.delete(prefix.length);
  }

  *covering(sessionKey: string): Generator<Member> {
    for (const length of this.#lengths.keys()) {
      if (length <= sessionKey.length) {
        yield* this.#members.get(sessionKey.slice(0, length)) ?? [];
      }
    }
  }

  *all(): Generator<Member> {
    for (const members of this.#members.values()) yield* members;
  }
}
