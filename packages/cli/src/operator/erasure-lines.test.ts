import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { ErasureSchema, ErasureState } from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import { expect, test } from "vitest";
import { erasureLine } from "./erasure-lines.ts";

const at = timestampFromDate(new Date("2026-11-30T10:00:00Z"));
const erased = (sessionKey: string) => ({ sessionKey, throughGeneration: 1n });
const [key, nick] = [erased("agent:main:ada"), erased("agent:main:nick")];
const line = (change: MessageInitShape<typeof ErasureSchema>) =>
  erasureLine(create(ErasureSchema, { erasureId: "e-1", createTime: at, ...change }));

test("an erasure under way tells of its key, of how many others, and whom it waits for", () => {
  const removing = { state: ErasureState.REMOVING, keys: [key, nick], note: "ticket 8" };
  expect(line({ ...removing, principal: "ops" })).toBe(
    "2026-11-30T10:00:00.000Z  e-1  agent:main:ada and another key  " +
      "being removed (what may have been under way is waited for) by ops: ticket 8",
  );
  const settled = { ...removing, settled: true };
  expect(line(settled)).toContain("(waits for the runner)");
  expect(line({ ...settled, runnerTime: at })).toContain("(waits for delivery)");
  expect(line({ ...settled, runnerTime: at, deliveryTime: at })).toContain("session-identity)");
  expect(line({ ...settled, returned: true })).toContain("key and names stay");
  expect(line({ ...settled, keys: [key, nick, nick] })).toContain("and 2 other keys");
});

test("one that has ended names nobody", () => {
  const ended = { state: ErasureState.ERASED, endTime: at, settled: true };
  expect(line(ended)).toBe("2026-11-30T10:00:00.000Z  e-1  erased 2026-11-30T10:00:00.000Z");
  expect(line({ ...ended, returned: true })).toContain("somebody has come back");
});
