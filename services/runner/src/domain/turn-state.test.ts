import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  codesBefore,
  isTerminal,
  mayBecome,
  stateCode,
  stateOf,
  TURN_STATES,
  type TurnStateName,
} from "./turn-state.ts";

const NAMES = Object.keys(TURN_STATES) as TurnStateName[];

test("every state of the proto but the two that are never stored has a row, under its own number", () => {
  const stored = Object.entries(TurnState).filter(
    ([name]) => !["UNSPECIFIED", "REJECTED"].includes(name),
  );
  expect(NAMES.toSorted()).toEqual(stored.map(([name]) => name).toSorted());
  for (const [name, code] of stored) expect(stateOf(code as number)).toBe(name);
});

test("only queued and active turns may change", () => {
  expect(NAMES.filter((name) => !isTerminal(name))).toEqual(["QUEUED", "ACTIVE"]);
  expect(codesBefore("ACTIVE")).toEqual([stateCode("QUEUED")]);
  expect(codesBefore("QUEUED")).toEqual([stateCode("ACTIVE")]);
  expect(codesBefore("FAILED")).toEqual([stateCode("QUEUED"), stateCode("ACTIVE")]);
});

test("whatever is tried, a turn reaches one terminal state and stays there", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...NAMES)), (attempts) => {
      let state: TurnStateName = "QUEUED";
      let ended = 0;
      for (const next of attempts) {
        if (!mayBecome(state, next)) continue;
        expect(isTerminal(state)).toBe(false);
        state = next;
        if (isTerminal(state)) ended += 1;
      }
      expect(ended).toBeLessThanOrEqual(1);
    }),
  );
});

test("a number that no stored state has is a defect", () => {
  expect(() => stateOf(TurnState.REJECTED)).toThrow("no turn state");
});
