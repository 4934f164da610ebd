import { UnderWay } from "@lanekeeper/service";
import { laneName } from "../domain/lane-name.ts";
import { Shares } from "../domain/shares.ts";
import { LIMITS } from "../limits.ts";

/** Those attached at this replica, by turn and by lane. */
export class Attachments {
  readonly #counts = new Map<string, number>();
  readonly #lanes = new Map<string, number>();
  /** What those who left have still to be written of. */
  readonly #leaving = new UnderWay();
  readonly #places = new Shares({
    forAll: LIMITS.attachmentsPerReplica,
    keptForFew: LIMITS.attachmentsKeptForFew,
    few: LIMITS.fewAttachmentsOfTenant,
  });

  get total(): number {
    return this.#places.total;
  }

  /**
   * A place, taken before it is known of which turn: of a crowd that comes at once, each would see what the others
   * are about to take. Undefined: there is none.
   */
  hold(tenant: string): Disposable | undefined {
    if (!this.#places.hasRoomFor(tenant)) return undefined;
    this.#places.change(tenant, 1);
    return { [Symbol.dispose]: () => this.#places.change(tenant, -1) };
  }

  /** Gives the function that leaves; its answer tells whether nobody else is attached here any more. */
  enter(turn: AttachedTurn): () => { readonly isLast: boolean } {
    const lane = laneName(turn.tenant, turn.sessionKey ?? "");
    change(this.#counts, turn.turnId, 1);
    change(this.#lanes, lane, 1);
    return () => {
      change(this.#lanes, lane, -1);
      return { isLast: change(this.#counts, turn.turnId, -1) === 0 };
    };
  }

  /** Waits for this before the database is closed. */
  leaving(written: Promise<void>): void {
    this.#leaving.add(written);
  }

  /** Resolves once it is written of all who left. */
  settled(): Promise<void> {
    return this.#leaving.settled();
  }

  /** Whether somebody here waits for a turn of the lane. */
  hasLane(tenant: string, sessionKey: string): boolean {
    return this.#lanes.has(laneName(tenant, sessionKey));
  }
}

interface AttachedTurn {
  readonly tenant: string;
  readonly turnId: string;
  readonly sessionKey: string | undefined;
}

function change(counts: Map<string, number>, key: string, by: number): number {
  const left = (counts.get(key) ?? 0) + by;
  if (left === 0) counts.delete(key);
  else counts.set(key, left);
  return left;
}
