/** What the queue knows of a waiting call. */
export type Waiting = {
  /** Calls of one key go one after another; those without a key are free. */
  readonly key: string | undefined;
  /** Whether its caller no longer waits. Asked once, when its turn comes: it is dropped then. */
  readonly isAbandoned: () => boolean;
};

/**
 * A queue of calls of which those under one key are handed out one at a time: the next one only after
 * `release` of the one before. Each step costs the same however many calls wait behind one key.
 */
export class ReadyQueue<Call extends Waiting> {
  /** Calls whose key is held by themselves. */
  readonly #ready: Call[] = [];
  /** A key stands here while a call holds it; the calls wait behind that one. */
  readonly #behind = new Map<string, Call[]>();
  #size = 0;

  /** Calls that were added and not yet taken, abandoned ones included. */
  get size(): number {
    return this.#size;
  }

  /** Those of them that wait behind no other of their key. */
  get ready(): number {
    return this.#ready.length;
  }

  add(call: Call): void {
    this.#size += 1;
    if (call.key === undefined) {
      this.#ready.push(call);
      return;
    }
    const behind = this.#behind.get(call.key);
    if (behind !== undefined) {
      behind.push(call);
      return;
    }
    this.#behind.set(call.key, []);
    this.#ready.push(call);
  }

  /** Takes at most so many calls, all of different keys. */
  take(most: number): Call[] {
    const taken: Call[] = [];
    let next = 0;
    // The end moves: dropping an abandoned call makes the one behind it ready.
    for (; next < this.#ready.length && taken.length < most; next += 1) {
      const call = this.#ready[next] as Call;
      this.#size -= 1;
      if (call.isAbandoned()) {
        this.release(call);
        continue;
      }
      taken.push(call);
    }
    this.#ready.splice(0, next);
    return taken;
  }

  /** Gives the key of a taken call to the next one. */
  release(call: Call): void {
    if (call.key === undefined) return;
    const next = this.#behind.get(call.key)?.shift();
    if (next === undefined) this.#behind.delete(call.key);
    else this.#ready.push(next);
  }
}
