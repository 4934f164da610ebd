import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { LaneSchema, TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { expect, test } from "vitest";
import { laneLines } from "./lane-lines.ts";

const at = timestampFromDate(new Date("2026-01-02T03:04:05.000Z"));
const turn = { principal: "ada", acceptTime: at };
const active = {
  ...{ ...turn, turnId: "t1", state: TurnState.ACTIVE, laneSeq: 7n, requestId: "r1" },
  runs: [{ runId: "first" }, { runId: "second" }],
};
const queued = { ...turn, turnId: "t2", state: TurnState.QUEUED, laneSeq: 8n, position: 1 };

function lines(lane: MessageInitShape<typeof LaneSchema>): string[] {
  return laneLines(create(LaneSchema, { sessionKey: "agent:main:a", ...lane }));
}

test("a lane tells who holds it by which run, who waits behind how many, and how many more", () => {
  const heartbeatAge = durationFromMs(12_345);
  expect(lines({ depth: 3, activeTurn: active, heartbeatAge, queuedTurns: [queued] })).toEqual([
    "agent:main:a  3 turns wait, one runs, heartbeat 12 s ago",
    expect.stringMatching(
      /^ {2}runs {5}t1 {2}ACTIVE, number 7, run second, accepted .* from ada, request r1$/,
    ),
    expect.stringMatching(
      /^ {2}waits {4}t2 {2}QUEUED, number 8, 1 before it, accepted .* from ada$/,
    ),
    "  and 2 more wait",
  ]);
});

test("a lane that nobody holds tells who is next; one without work that nobody waits", () => {
  expect(lines({ depth: 1, queuedTurns: [{ ...queued, position: 0 }] })).toEqual([
    "agent:main:a  1 turn waits",
    expect.stringContaining("number 8, next, accepted"),
  ]);
  expect(lines({})).toEqual(["agent:main:a  0 turns wait"]);
});
