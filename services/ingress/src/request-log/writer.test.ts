import { captureLog, ManualClock } from "@lanekeeper/service/testing";
import { beforeEach, describe, expect, test } from "vitest";
import { MemoryRequests } from "../testing/memory-stores.ts";
import { type RequestEntry, requestEntry } from "./entry.ts";
import { sweepRequests } from "./retention.ts";
import { RequestLogWriter } from "./writer.ts";

const LIMITS = { maxBufferedRequests: 5, requestLogBatchSize: 2, requestLogFlushMs: 10 };

function entry(requestId: string, endTime = new Date(0)): RequestEntry {
  const facts = { requestId, route: "POST /x", createTime: new Date(0), traceparent: undefined };
  return requestEntry(facts, 200, endTime);
}

let store: MemoryRequests;
let clock: ManualClock;
let dropped: number;
let writer: RequestLogWriter;

beforeEach(() => {
  store = new MemoryRequests();
  clock = new ManualClock();
  dropped = 0;
  writer = new RequestLogWriter({
    store,
    clock,
    log: captureLog().log,
    limits: LIMITS,
    onDropped: (count) => {
      dropped += count;
    },
  });
});

const written = (): string[] => store.entries.map(({ requestId }) => requestId);

describe("the request log's writer", () => {
  test("writes in batches, in order, off the path of the request", async () => {
    for (const id of ["a", "b", "c"]) writer.add(entry(id));
    expect(written()).toEqual([]);
    await clock.advance(10);
    expect(written()).toEqual(["a", "b", "c"]);
  });

  test("keeps what the database does not take, up to its bound, and counts the rest", async () => {
    store.isDown = true;
    for (const id of ["a", "b", "c", "d", "e", "f", "g"]) writer.add(entry(id));
    await clock.advance(10);
    expect(dropped).toBe(3);
    store.isDown = false;
    await clock.advance(10);
    expect(written()).toEqual(["a", "b", "c", "d"]);
    for (const id of ["h", "i"]) writer.add(entry(id));
    await clock.advance(10);
    expect(written().slice(4)).toEqual(["h", "i"]);
  });

  test("keeps what one tenant says while another says more than there is room for", async () => {
    store.isDown = true;
    for (const id of ["a", "b", "c", "d", "e", "f"]) writer.add(entry(id));
    writer.add({ ...entry("another's"), tenant: "another" });
    store.isDown = false;
    await clock.advance(10);
    expect(written()).toEqual(["a", "b", "c", "d", "another's"]);
  });

  test("writes what waits when it is closed", async () => {
    for (const id of ["a", "b", "c"]) writer.add(entry(id));
    await writer.close();
    expect(written()).toEqual(["a", "b", "c"]);
    expect(clock.waiting).toBe(0);
  });

  test("does not hang on a database that is down when it is closed", async () => {
    store.isDown = true;
    writer.add(entry("a"));
    await writer.close();
    expect([dropped, clock.waiting]).toEqual([1, 0]);
  });
});

describe("an entry", () => {
  test("of a key with U+0000, which Postgres cannot store, keeps the rest of the key", () => {
    const facts = { requestId: "r", route: "x", createTime: new Date(0), traceparent: undefined };
    expect(requestEntry({ ...facts, rawKey: "a\0b" }, 400, new Date(0)).rawKey).toBe("a\u{FFFD}b");
    const long = { ...facts, rawKey: "x".repeat(4_000_000) };
    expect(requestEntry(long, 400, new Date(0)).rawKey).toBe("x".repeat(1_024));
  });
});

describe("retention", () => {
  test("deletes what is past it, in batches, until it is stopped", async () => {
    const dayMs = 86_400_000;
    const old = new Date(clock.now().getTime() - 31 * dayMs);
    const young = new Date(clock.now().getTime() - 29 * dayMs);
    await store.insert([entry("old-1", old), entry("young", young), entry("old-2", old)]);
    const limits = {
      requestLogRetentionMs: 30 * dayMs,
      retentionSweepMs: 1_000,
      retentionBatchSize: 1,
    };
    const stop = new AbortController();
    const { log } = captureLog();
    const swept = sweepRequests({ store, clock, log, limits, signal: stop.signal });
    await clock.untilWaiting();
    expect(written()).toEqual(["young"]);
    await clock.advance(2 * dayMs);
    expect(written()).toEqual([]);
    stop.abort();
    await swept;
  });
});
