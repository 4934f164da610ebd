import { OnConflict, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import type { Command } from "./commands.ts";

/** A turn that was accepted, and what was done after that. */
export interface TurnFacts {
  readonly text: string;
  readonly turnId: string;
  readonly command: Command & { readonly do: "submit" };
  /** Place among all commands. */
  readonly place: number;
}

/** Everything that was done to a lane. */
export interface Facts {
  readonly turns: readonly TurnFacts[];
  readonly commands: readonly Command[];
  /** Turns that somebody asked to cancel, by id. */
  readonly cancelled: ReadonlySet<string>;
}

/** The states that a turn may end in, by what was done. */
export function mayEndAs({ turns, commands, cancelled }: Facts, turn: TurnFacts): TurnState[] {
  // Commands run side by side: what was done at any time may have come after the turn's acceptance.
  const resets = commands.filter((command) => command.do === "reset");
  const stops = turns.filter((other) => other !== turn && interrupts(other));
  const isDropped = turns.some((other) => other !== turn && other.command.dropsOldest);
  const { onConflict } = turn.command;
  const joins = onConflict === OnConflict.COALESCE || onConflict === OnConflict.STEER;
  return [
    TurnState.COMPLETED,
    ...(cancelled.has(turn.turnId) ? [TurnState.CANCELLED] : []),
    ...(stops.length > 0 ? [TurnState.INTERRUPTED] : []),
    ...(resets.length > 0 ? [TurnState.SUPERSEDED] : []),
    ...(isDropped || resets.some(({ skipsQueued }) => skipsQueued) ? [TurnState.SKIPPED] : []),
    ...(joins ? [TurnState.COALESCED] : []),
  ];
}

export function interrupts({ command }: Pick<TurnFacts, "command">): boolean {
  const { onConflict } = command;
  return onConflict === OnConflict.INTERRUPT || onConflict === OnConflict.ROLLBACK;
}
