/** What decides when a waiting turn is served. */
export interface WaitingTurn {
  readonly turnId: string;
  /** Admitted by `interrupt` or `rollback`. */
  readonly front: boolean;
  readonly isPerson: boolean;
  /** Order of acceptance. */
  readonly laneSeq: bigint;
}

/**
 * The order in which a lane's waiting turns are served: those at the front first, then persons before
 * the system, each as accepted; but once `budget` person turns were served in a row, one system turn.
 * @param personsServed person turns since the lane's last system turn.
 */
export function laneOrder<T extends WaitingTurn>(
  waiting: readonly T[],
  personsServed: number,
  budget: number,
): T[] {
  const bySeq = waiting.toSorted((a, b) => (a.laneSeq < b.laneSeq ? -1 : 1));
  const front = bySeq.filter((turn) => turn.front);
  const persons = bySeq.filter((turn) => !turn.front && turn.isPerson);
  const systems = bySeq.filter((turn) => !turn.front && !turn.isPerson);
  const order: T[] = [];
  let served = personsServed;
  const take = (turn: T | undefined): void => {
    if (turn === undefined) return;
    order.push(turn);
    served = turn.isPerson ? served + 1 : 0;
  };
  while (front.length > 0) take(front.shift());
  while (persons.length + systems.length > 0) {
    const systemIsDue = served >= budget && systems.length > 0;
    take(systemIsDue || persons.length === 0 ? systems.shift() : persons.shift());
  }
  return order;
}

/** The turn that is served next; undefined in an empty lane. */
export function laneHead<T extends WaitingTurn>(
  waiting: readonly T[],
  personsServed: number,
  budget: number,
): T | undefined {
  return laneOrder(waiting, personsServed, budget)[0];
}
