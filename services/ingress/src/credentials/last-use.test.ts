import { captureLog, ManualClock } from "@lanekeeper/service/testing";
import { beforeEach, describe, expect, test } from "vitest";
import { LastUses } from "./last-use.ts";

const LIMITS = { lastUseFlushMs: 60_000, maxCachedCredentials: 2 };

let clock: ManualClock;
let written: (readonly [string, number])[][];
let isDown: boolean;
let uses: LastUses;

beforeEach(() => {
  clock = new ManualClock();
  written = [];
  isDown = false;
  const markUsed = async (batch: ReadonlyMap<string, Date>): Promise<void> => {
    if (isDown) throw new Error("the database is down");
    written.push([...batch].map(([id, time]) => [id, time.getTime()] as const));
  };
  uses = new LastUses({ store: { markUsed }, clock, log: captureLog().log, limits: LIMITS });
});

describe("the last use of keys", () => {
  test("is one write a minute, whatever was asked meanwhile, of the latest time of each", async () => {
    const began = clock.now().getTime();
    for (let i = 0; i < 100; i += 1) uses.note("a");
    await clock.advance(59_999);
    uses.note("b");
    uses.note("a");
    expect(written).toEqual([]);
    await clock.advance(1);
    const time = began + 59_999;
    expect(written).toHaveLength(1);
    expect(new Map(written[0])).toEqual(
      new Map([
        ["a", time],
        ["b", time],
      ]),
    );
    await clock.advance(120_000);
    expect(written).toHaveLength(1);
  });

  test("that could not be written is written with the next, unless it is older", async () => {
    isDown = true;
    uses.note("a");
    uses.note("b");
    await clock.advance(60_000);
    isDown = false;
    uses.note("a");
    const again = clock.now().getTime();
    await clock.advance(60_000);
    expect(new Map(written[0])).toEqual(
      new Map([
        ["a", again],
        ["b", again - 60_000],
      ]),
    );
  });

  test("of more keys than are remembered is left out, and what waits is written at the end", async () => {
    for (const id of ["a", "b", "c"]) uses.note(id);
    await uses.close();
    expect(written.flat().map(([id]) => id)).toEqual(["a", "b"]);
    await clock.advance(60_000);
    expect(written).toHaveLength(1);
  });
});
