import { expect, test } from "vitest";
import type { ShownFence } from "../history/calls.ts";
import { Story } from "../testing/story.ts";
import { nothingOld, RESTORE } from "./nothing-old.ts";

const key = "agent:main:k";
const fence: ShownFence = { tenant: "t", key, run: "r1", generation: 3, sessionId: "s3", epoch: 5 };
const asking = { tenant: "t", key, run: "r1", turn: "t1", admitted: 1, leaseMs: 60_000 };
const begun = { generation: 3, sessionId: "s3", epoch: 5, takenOver: "" };
const progress = { ...fence, seq: 1, event: "progress", says: "on" } as const;
const rotating = { tenant: "t", key, request: "q", expected: 3 };
const rotated = { previous: 3, generation: 4, sessionId: "s4", endedRun: "" };
const watching = { tenant: "t", watcher: "w" };
const reply = { deliveryId: "d1", key, turnId: "t1", text: "hello" };

/** A run began in generation 3, then a backup was restored. */
function restored(): Story {
  return new Story()
    .ok("begin", [1_000, 1_001], asking, begun)
    .saw("fault", 2_000, { kind: RESTORE, target: "postgres", state: "begin" })
    .saw("fault", 3_000, { kind: RESTORE, target: "postgres", state: "end" });
}

const whats = (story: Story) => nothingOld(story.history).findings.map(({ what }) => what);

test("what is refused is evidence, and nothing is found", () => {
  const story = restored()
    .fail("begin", [4_000, 4_001], asking, "RUN_ENDED")
    .fail("write", [4_000, 4_001], progress, "STALE_GENERATION")
    .fail("rotate", [4_000, 4_001], rotating, "GENERATION_MISMATCH")
    .fail("resume", [4_000, 4_001], watching, "RESUME_TOKEN_EXPIRED")
    .saw("finalDelivery", 9_000, {
      ...{ tenant: "t", key, deliveryId: "d1", turnId: "t1", routeId: "o", routeSeq: 1 },
      ...{ state: "UNKNOWN", generation: 3 },
    });
  expect(nothingOld(story.history)).toMatchObject({ evidence: 5, findings: [] });
});

test("a run id, a fence, a precondition, a token and a reply of before are each found where they are taken", () => {
  const story = restored()
    .ok("begin", [3_900, 3_901], asking, { ...begun, epoch: 2 ** 32 })
    .ok("write", [4_000, 4_001], progress, { applied: true })
    .ok("rotate", [4_100, 4_101], rotating, rotated)
    .ok("resume", [4_200, 4_201], watching, { kind: "bookmark" })
    .saw("posted", 4_300, { ...reply, generation: 3 });
  expect(whats(story)).toEqual([
    "run r1 of before was granted its key",
    "progress of run r1 of before was accepted",
    "a rotation that expects generation 3 was accepted",
    "the watch of w went on",
    "a reply of generation 3 went out",
  ]);
});

test("what was before the restore, and what is new after it, is neither", () => {
  const story = restored()
    .ok("write", [1_500, 1_501], progress, { applied: true })
    .saw("posted", 1_600, { ...reply, generation: 3 })
    .ok("rotate", [4_000, 4_001], { ...rotating, expected: 2 ** 32 + 3 }, rotated)
    .saw("posted", 4_300, { ...reply, generation: 2 ** 32 + 4 });
  expect(nothingOld(story.history)).toMatchObject({ evidence: 0, findings: [] });
});
