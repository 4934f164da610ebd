import type { StandingKey } from "../domain/key-state.ts";
import type { Change } from "../store/feed/read-changes.ts";
import { positionOf, type Snapshot } from "./snapshot.ts";
import { encodeToken, type History } from "./token.ts";

/** From where to go on, and how far that is. */
export interface Mark {
  readonly token: string;
  readonly position: bigint;
  /** False in the middle of a step. */
  readonly isBoundary: boolean;
}

export type WatchEvent =
  | { readonly kind: "snapshot"; readonly state: StandingKey }
  | ({ readonly kind: "snapshot_end" } & Mark)
  | ({ readonly kind: "changed"; readonly change: Change } & Mark)
  | ({ readonly kind: "bookmark" } & Mark);

/** A watcher's place: all that `seen` sees, it has seen. */
export interface Place {
  readonly historyId: string;
  readonly seen: Snapshot;
  readonly atMs: number;
}

export function placeOf({ historyId, snapshot: seen, nowMs: atMs }: History): Place {
  return { historyId, seen, atMs };
}

export function markAt({ historyId, seen, atMs }: Place): Mark {
  const token = encodeToken(historyId, { from: seen, partial: undefined, atMs });
  return { token, position: positionOf(seen), isBoundary: true };
}
