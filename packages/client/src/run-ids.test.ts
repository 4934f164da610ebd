import { randomUUID } from "node:crypto";
import { LanekeeperError } from "@lanekeeper/rpc";
import { expect, test } from "vitest";
import { RunIds } from "./run-ids.ts";

const from = (runIdsFrom: string) =>
  new LanekeeperError("RUN_ENDED", "mint another", { metadata: { run_ids_from: runIdsFrom } });
const timeOf = (id: string) =>
  new Date(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)).toISOString();

/** UUIDv7s of a clock that stands at 1 ms past 1970. */
const early = () => `00000000-0001-7${randomUUID().slice(15)}`;
const late = () => `ffffffff-ffff-7${randomUUID().slice(15)}`;

test("a process whose clock lags mints for the time that it was told, each id another", () => {
  const ids = new RunIds(early);
  expect(timeOf(ids.mint())).toBe("1970-01-01T00:00:00.001Z");
  expect(ids.learn(from("2026-11-29T10:00:00.123Z"))).toBe(true);
  const minted = Array.from({ length: 1_000 }, () => ids.mint());
  expect(new Set(minted.map(timeOf))).toEqual(new Set(["2026-11-29T10:00:00.123Z"]));
  expect(new Set(minted).size).toBe(1_000);
  for (const id of minted) {
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  }
});

test("an earlier time than one that was told, or none, changes nothing", () => {
  const ids = new RunIds(early);
  ids.learn(from("2026-11-29T10:00:00.000Z"));
  ids.learn(from("2026-11-29T09:00:00.000Z"));
  expect(ids.learn(from(""))).toBe(false);
  expect(ids.learn(new LanekeeperError("RUN_ENDED", "the run has ended"))).toBe(false);
  expect(ids.learn(new Error("something else"))).toBe(false);
  expect(timeOf(ids.mint())).toBe("2026-11-29T10:00:00.000Z");
});

test("whose clock has come to that time mints by it", () => {
  const ids = new RunIds(late);
  ids.learn(from("2026-11-29T10:00:00.000Z"));
  expect(ids.mint().slice(0, 15)).toBe("ffffffff-ffff-7");
});
