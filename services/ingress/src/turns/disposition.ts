import { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";

/** As x-lane-disposition says it. */
export type DispositionWord =
  | "started"
  | "queued"
  | "steered"
  | "coalesced"
  | "joined"
  | "rejected"
  | "stateless";

const WORDS: ReadonlyMap<Disposition, DispositionWord> = new Map([
  [Disposition.STARTED, "started"],
  [Disposition.QUEUED, "queued"],
  [Disposition.STEERED, "steered"],
  [Disposition.COALESCED, "coalesced"],
  [Disposition.JOINED, "joined"],
  [Disposition.REJECTED, "rejected"],
  [Disposition.STATELESS, "stateless"],
]);

/** A disposition of a later release still means that the turn is in the queue. */
export function dispositionWord(disposition: Disposition): DispositionWord {
  return WORDS.get(disposition) ?? "queued";
}
