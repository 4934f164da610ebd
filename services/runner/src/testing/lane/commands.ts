import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { OnConflict } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import fc from "fast-check";

/** What happens to a lane from outside. Turns are named by their place among those submitted. */
export type Command =
  | {
      readonly do: "submit";
      readonly at: 0 | 1;
      readonly onConflict: OnConflict;
      /** Where the lane is full, in place of the turn that has waited longest. */
      readonly dropsOldest: boolean;
      readonly turnClass: TurnClass;
      /** Answers only once the test lets it, unless it is stopped. */
      readonly holds: boolean;
    }
  | { readonly do: "cancel"; readonly at: 0 | 1; readonly turn: number }
  | { readonly do: "reset"; readonly skipsQueued: boolean }
  /** kill -9; another replica starts. */
  | { readonly do: "crash"; readonly at: 0 | 1 }
  /** Every lease ends although nobody died. */
  | { readonly do: "lapse" };

const at = fc.constantFrom<0 | 1>(0, 1);
const submit: fc.Arbitrary<Command> = fc.record({
  do: fc.constant("submit" as const),
  at,
  onConflict: fc.constantFrom<OnConflict>(
    ...[OnConflict.ENQUEUE, OnConflict.ENQUEUE, OnConflict.REJECT, OnConflict.INTERRUPT],
    ...[OnConflict.ROLLBACK, OnConflict.COALESCE, OnConflict.STEER],
  ),
  dropsOldest: fc.boolean(),
  turnClass: fc.constantFrom<TurnClass>(TurnClass.PERSON, TurnClass.PERSON, TurnClass.SYSTEM),
  holds: fc.boolean(),
});
const cancel: fc.Arbitrary<Command> = fc.record({
  do: fc.constant("cancel" as const),
  at,
  turn: fc.nat(9),
});
const reset: fc.Arbitrary<Command> = fc.record({
  do: fc.constant("reset" as const),
  skipsQueued: fc.boolean(),
});
const loss: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ do: fc.constant("crash" as const), at }),
  fc.record({ do: fc.constant("lapse" as const) }),
);

/** A turn fails after three runs that began: with two losses of runs none may. */
const MAX_LOSSES = 2;

export const commands: fc.Arbitrary<readonly Command[]> = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: submit },
      { weight: 1, arbitrary: cancel },
      { weight: 1, arbitrary: reset },
      { weight: 1, arbitrary: loss },
    ),
    { minLength: 3, maxLength: 10, size: "max" },
  )
  .filter((all) => all.filter(isLoss).length <= MAX_LOSSES);

function isLoss(command: Command): boolean {
  return command.do === "crash" || command.do === "lapse";
}
