/** What the queue knows of a waiting call. */
export type Waiting = {
  /** Calls of one key go one after another; those without a key are free. */
  readonly key: string | undefined;
  /** Calls of one key that follow each other and have the same lot may be taken together; undefined: alone. */
  readonly lot: string | undefined;
  /** Whether its caller no longer waits. Asked once, when its turn comes: it is dropped then. */
  readonly isAbandoned: () => boolean;
};

/** A key of which calls were taken: how many of them are not released, and what waits behind them. */
type Held<Call> = { taken: number; readonly behind: Call[] };

/**
 * A queue of calls of which those under one key are handed out one lot at a time: the next ones only
 * after `release` of those before. Each step costs the same however many calls wait behind one key.
 */
export class ReadyQueue<Call extends Waiting> {
  /** Calls whose key is held by themselves. */
  readonly #ready: Call[] = [];
  /** A key stands here while a call holds it; the calls wait behind that one. */
  readonly #held = new Map<string, Held<Call>>();
  #size = 0;
  #out = 0;

  /** Calls that were added and not yet taken, abandoned ones included. */
  get size(): number {
    return this.#size;
  }

  /** Those of them that wait behind no other of their key. */
  get ready(): number {
    return this.#ready.length;
  }

  /** Calls that were taken and are not released, those of one key counted as one. */
  get out(): number {
    return this.#out;
  }

  add(call: Call): void {
    this.#size += 1;
    if (call.key === undefined) {
      this.#ready.push(call);
      return;
    }
    const held = this.#held.get(call.key);
    if (held !== undefined) {
      held.behind.push(call);
      return;
    }
    this.#held.set(call.key, { taken: 1, behind: [] });
    this.#ready.push(call);
  }

  /**
   * Takes at most so many calls: first one of each key, then, where there is room left, those of the same
   * lot behind them. Those of a key stand in their order.
   */
  take(most: number): Call[] {
    const taken: Call[] = [];
    let next = 0;
    // The end moves: dropping an abandoned call makes the one behind it ready.
    for (; next < this.#ready.length && taken.length < most; next += 1) {
      const call = this.#ready[next] as Call;
      this.#out += 1;
      if (this.#leaves(call)) taken.push(call);
    }
    this.#ready.splice(0, next);
    const heads = taken.length;
    for (let head = 0; head < heads && taken.length < most; head += 1) {
      this.#takeLot(taken[head] as Call, taken, most);
    }
    return taken;
  }

  #takeLot({ key, lot }: Call, taken: Call[], most: number): void {
    const held = key === undefined || lot === undefined ? undefined : this.#held.get(key);
    while (held !== undefined && taken.length < most && held.behind[0]?.lot === lot) {
      held.taken += 1;
      const call = held.behind.shift() as Call;
      if (this.#leaves(call)) taken.push(call);
    }
  }

  /** The call waits no more. False: nobody waits for it, and it is dropped. */
  #leaves(call: Call): boolean {
    this.#size -= 1;
    if (!call.isAbandoned()) return true;
    this.release(call);
    return false;
  }

  /** Gives the key of taken calls to the next one, with the last of them. */
  release({ key }: Call): void {
    const held = key === undefined ? undefined : this.#held.get(key);
    if (held !== undefined && --held.taken > 0) return;
    this.#out -= 1;
    if (key === undefined || held === undefined) return;
    const next = held.behind.shift();
    if (next === undefined) {
      this.#held.delete(key);
      return;
    }
    held.taken = 1;
    this.#ready.push(next);
  }
}
