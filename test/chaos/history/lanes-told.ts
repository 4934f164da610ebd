import type { ToldLane } from "./sights.ts";

/** The lanes that have work, as far as a follower was told: the end of a snapshot says that it was all. */
export class LanesTold {
  #lanes = new Map<string, ToldLane>();
  #incoming = new Map<string, ToldLane>();
  #isComplete = false;

  /** Whether the stream has told which lanes have work. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  get withWork(): readonly ToldLane[] {
    return [...this.#lanes.values()];
  }

  told(lane: ToldLane): void {
    const { kind, key, turns } = lane;
    if (kind === "opened") {
      this.#incoming = new Map();
      this.#isComplete = false;
    } else if (kind === "snapshot") {
      this.#incoming.set(key, lane);
    } else if (kind === "snapshot_end") {
      this.#lanes = this.#incoming;
      this.#incoming = new Map();
      this.#isComplete = true;
    } else if (turns.length > 0) {
      this.#lanes.set(key, lane);
    } else {
      this.#lanes.delete(key);
    }
  }
}
