import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { type Room, Rooms } from "./rooms.ts";

const { activeRunsPerReplica: most, runsKeptForFew: kept, fewOfTenant: few } = LIMITS;

function times<T>(count: number, work: (n: number) => T): T[] {
  return Array.from({ length: count }, (_, n) => work(n));
}

/** What was told so far; a promise that waits has told nothing. */
async function toldOf(asked: Promise<Room | string>): Promise<Room | string | undefined> {
  return Promise.race([asked, Promise.resolve().then(() => undefined)]);
}

test("one tenant has all the room that is for all, and every other finds some that was kept", () => {
  const rooms = new Rooms(() => undefined);
  for (const _ of times(most, () => rooms.enter("floods"))) expect(rooms.of("floods")).toBe(most);
  expect(rooms.hold("floods")).toBeUndefined();
  expect(rooms.full()).toEqual(["floods"]);
  const newcomers = times(kept / few, (n) => `newcomer ${n}`);
  for (const tenant of newcomers) {
    for (const room of times(few, () => rooms.hold(tenant))) expect(room).toBeDefined();
    expect(rooms.hold(tenant)).toBeUndefined();
  }
  expect(rooms.isFull).toBe(true);
  expect(rooms.hold("one more")).toBeUndefined();
  // What ends is not given back to who has many: the kept room comes to be free again.
  rooms.leave("floods");
  expect(rooms.hold("floods")).toBeUndefined();
  expect(rooms.hold("one more")).toBeDefined();
});

test("who may not wait is refused for what runs, not for admissions whose database is slow", async () => {
  const rooms = new Rooms(() => undefined);
  const admissions = times(most, () => rooms.hold("t"));
  const asked = times(3, () => rooms.holdOnceKnown("t"));
  const other = (await rooms.holdOnceKnown("other")) as Room;
  other.release();
  for (const one of asked) expect(await toldOf(one)).toBeUndefined();
  admissions[0]?.release();
  expect(await asked[0]).toBeTypeOf("object");
  expect(await toldOf(asked[1] as Promise<Room>)).toBeUndefined();
  // All but one begin to run: then it is known.
  for (const room of admissions.slice(1)) {
    rooms.enter("t");
    room?.release();
  }
  rooms.enter("t");
  ((await asked[0]) as Room).release();
  expect(await Promise.all(asked.slice(1))).toEqual(["full", "full"]);
  expect(await rooms.holdOnceKnown("t")).toBe("full");
});

test("no more wait to learn whether there is room than may run", async () => {
  const rooms = new Rooms(() => undefined);
  const held = times(most, () => rooms.hold("t"));
  const asked = times(most, () => rooms.holdOnceKnown("t"));
  expect(await rooms.holdOnceKnown("t")).toBe("crowded");
  for (const room of held) room?.release();
  for (const room of await Promise.all(asked)) expect(room).toBeTypeOf("object");
});
