import { LanesTold } from "../history/lanes-told.ts";
import type { FinalSession, Told, ToldLane } from "../history/sights.ts";

/** What a follower knows by what it was told. */
export class Known {
  readonly #revisions = new Map<string, number>();
  readonly #lanes: LanesTold | undefined;

  /** Where lanes are told as well, they are to be known too. */
  constructor(withLanes: boolean) {
    this.#lanes = withLanes ? new LanesTold() : undefined;
  }

  told({ kind, key, revision }: Told): void {
    // What the snapshot does not name is gone.
    if (kind === "opened") this.#revisions.clear();
    if (key !== "") this.#revisions.set(key, revision);
  }

  toldLane(told: ToldLane): void {
    this.#lanes?.told(told);
  }

  /** Whether these sessions are known as they stood, or newer, and no lane is taken for one that has work. */
  isAll(sessions: readonly FinalSession[]): boolean {
    const isKnown = sessions.every(({ key, revision }) => {
      return (this.#revisions.get(key) ?? -1) >= revision;
    });
    return isKnown && this.#isIdle;
  }

  get #isIdle(): boolean {
    const lanes = this.#lanes;
    return lanes === undefined || (lanes.isComplete && lanes.withWork.length === 0);
  }
}
