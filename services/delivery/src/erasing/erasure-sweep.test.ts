import { create } from "@bufbuild/protobuf";
import { ErasedKeySchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import { Code, RpcError, storeUnavailable } from "@lanekeeper/rpc";
import { systemIds } from "@lanekeeper/service";
import { beforeEach, expect, test } from "vitest";
import type { DeliveryDatabase } from "../store/sql.ts";
import { eraserOf } from "../testing/erasing.ts";
import { newDelivery } from "../testing/rows.ts";
import { testStore } from "../testing/test-store.ts";

const store = testStore();
const { route, add, claim, sent } = store;
const never = new AbortController().signal;

let eraser: ReturnType<typeof eraserOf>;
beforeEach(() => {
  eraser = eraserOf(store.db);
});

const KEYS = Array.from({ length: 9 }, (_, n) => `agent:main:chat-${n}`);
const through = (sessionKey: string) => ({ sessionKey, throughGeneration: 1n });

/** Replies of each key on one route, all of them sent, or waiting. */
async function spoken(keys: readonly string[], perKey: number, areSent = true): Promise<void> {
  const routeId = await route();
  for (const sessionKey of keys) {
    for (let n = 0; n < perKey; n++) {
      await add({ ...newDelivery(routeId, `${sessionKey}/${n}`), sessionKey });
      if (areSent) for (const claimed of await claim("a")) await sent(claimed);
    }
  }
  await store.db.query("UPDATE attempts SET untold = NULL");
}

async function left(table = "deliveries"): Promise<number> {
  const { rows } = await store.db.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`);
  return rows[0]?.n ?? 0;
}

test.each([
  ["before the five minutes are over", { settled: false }],
  ["before the runner is done", { runnerTime: undefined }],
])("what is there goes %s, and delivery does not say that it is done", async (_, asRead) => {
  await spoken(KEYS.slice(0, 1), 2);
  const erasure = eraser.erasures.add({ keys: KEYS.slice(0, 1).map(through), ...asRead });
  await eraser.look();
  expect(await left()).toBe(0);
  expect(eraser.erasures.reported).toEqual([]);
  // Nor is it refused, having said so.
  expect(eraser.told().map(({ level }) => level)).toEqual(["info"]);
  erasure.settled = true;
  erasure.runnerTime = eraser.erasures.add({ keys: [] }).runnerTime;
  await eraser.look();
  expect(eraser.erasures.reported).toContain(erasure.erasureId);
});

test("a look that the runner's word came in between says nothing yet: it did not know all keys", async () => {
  const erasure = eraser.erasures.add({ keys: KEYS.slice(0, 1).map(through) });
  const { runnerTime, keys } = erasure;
  erasure.runnerTime = undefined;
  await spoken(KEYS.slice(0, 2), 1);
  const query: DeliveryDatabase["query"] = (statement, params) => {
    if (erasure.runnerTime === undefined) {
      erasure.runnerTime = runnerTime;
      keys.push(create(ErasedKeySchema, through(KEYS[1] ?? "")));
    }
    return store.db.query(statement, params);
  };
  await eraser.look({}, { db: { ...store.db, query } });
  expect(eraser.erasures.reported).toEqual([]);
  await eraser.look();
  expect(await left()).toBe(0);
  expect(eraser.erasures.reported).toHaveLength(1);
});

test("many erasures of many replies are gone through in portions, each once", async () => {
  await spoken(KEYS, 5);
  for (const key of KEYS) eraser.erasures.add({ keys: [through(key)] });
  const look = eraser.sweep({ erasuresPerPage: 2, erasuresPerSweep: 4, erasedPerStatement: 2 });
  for (const keys of [4, 8, 9]) {
    await look(never);
    expect(await left()).toBe(5 * (KEYS.length - keys));
  }
  expect(eraser.erasures.reported).toHaveLength(KEYS.length);
  expect(await left("attempts")).toBe(0);
});

test("a look goes on from where the one before ended, and then from the beginning, so that none is left out", async () => {
  for (const key of KEYS) eraser.erasures.add({ keys: [through(key)], settled: false });
  const look = eraser.sweep({ erasuresPerPage: 3, erasuresPerSweep: 6 });
  await look(never);
  await spoken(KEYS, 1);
  await look(never);
  expect(await left()).toBe(6);
  await look(never);
  expect(await left()).toBe(0);
});

test("an erasure of more keys than are looked for at once is one erasure", async () => {
  await spoken(KEYS, 1);
  const nothing = Array.from({ length: 20 }, () => `agent:main:subagent:${systemIds.uuid()}`);
  eraser.erasures.add({ keys: [...nothing, ...KEYS].map(through) });
  await eraser.look({ erasedPerStatement: 3 });
  expect(await left()).toBe(0);
  expect(eraser.told()).toMatchObject([{ replies: KEYS.length, left: 0 }]);
});

test("replicas that look at the same time take nothing from each other", async () => {
  await spoken(KEYS, 6, false);
  for (const key of KEYS) eraser.erasures.add({ keys: [through(key)] });
  const looks = Array.from({ length: 4 }, () => eraser.look({ erasedPerStatement: 4 }));
  await Promise.all(looks);
  expect(await left()).toBe(0);
  const replies = eraser.told().map((line) => Number(line["replies"]));
  expect(replies.reduce((all, some) => all + some, 0)).toBe(6 * KEYS.length);
  expect(eraser.told().filter(({ level }) => level === "error")).toEqual([]);
  await eraser.look();
  expect(eraser.erasures.reported).toHaveLength(KEYS.length);
});

test("one that dies in the middle leaves whole replies, and another goes on", async () => {
  await spoken(KEYS.slice(0, 1), 6);
  eraser.erasures.add({ keys: KEYS.slice(0, 1).map(through) });
  let calls = 0;
  const transaction: DeliveryDatabase["transaction"] = (work, options) =>
    store.db.transaction(async (sql) => {
      const done = await work(sql);
      calls += 1;
      if (calls === 2) throw new Error("the process died before its commit");
      return done;
    }, options);
  await eraser.look({ erasedPerStatement: 2 }, { db: { ...store.db, transaction } });
  expect([await left(), await left("attempts")]).toEqual([4, 4]);
  expect(eraser.erasures.reported).toEqual([]);
  await eraser.look({ erasedPerStatement: 2 });
  expect([await left(), await left("attempts")]).toEqual([0, 0]);
  expect(eraser.erasures.reported).toHaveLength(1);
});

test("one that fails does not hold up the others, and is told with its id alone", async () => {
  await spoken(KEYS, 1);
  for (const key of KEYS) eraser.erasures.add({ keys: [through(key)] });
  const query: DeliveryDatabase["query"] = (statement, params = []) =>
    params.includes(KEYS[3])
      ? Promise.reject(new Error("a defect"))
      : store.db.query(statement, params);
  await eraser.look({}, { db: { ...store.db, query } });
  expect(await left()).toBe(1);
  expect(eraser.erasures.reported).toHaveLength(KEYS.length - 1);
  const errors = eraser.told().filter(({ level }) => level === "error");
  expect(errors).toMatchObject([{ erasure_id: expect.any(String) }]);
  expect(eraser.log.text()).not.toContain(KEYS[3]);
});

test.each([
  ["is away", storeUnavailable("away")],
  ["is of a release that knows of no erasures", new RpcError(Code.UNIMPLEMENTED, "no such call")],
])("while session-identity %s nothing is done, and nobody is bothered", async (_, error) => {
  await spoken(KEYS.slice(0, 1), 1);
  const refuse = () => Promise.reject(error);
  await eraser.look({}, { identity: { listErasuresToDo: refuse, reportErasure: refuse } });
  expect(await left()).toBe(1);
  expect(eraser.told()).toEqual([]);
});

test("whoever asks for what is done may end in between: it ends at the next portion", async () => {
  await spoken(KEYS.slice(0, 1), 6);
  eraser.erasures.add({ keys: KEYS.slice(0, 1).map(through) });
  const ending = new AbortController();
  const transaction: DeliveryDatabase["transaction"] = (work, options) => {
    ending.abort(new Error("delivery ends"));
    return store.db.transaction(work, options);
  };
  const look = eraser.sweep({ erasedPerStatement: 2 }, { db: { ...store.db, transaction } });
  await expect(look(ending.signal)).rejects.toThrow("delivery ends");
  expect(await left()).toBe(4);
  expect(eraser.told()).toEqual([]);
});
