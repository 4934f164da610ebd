import { Writable } from "node:stream";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { flushLog } from "./log.ts";
import { Secret } from "../settings/secret.ts";
import { captureLog } from "../testing/capture-log.ts";
import { recordSpans } from "../testing/record-spans.ts";
import { activeTraceId, withSpan } from "./trace.ts";

describe("a line", () => {
  test("says who, when, how bad and what", () => {
    const { log, lines } = captureLog({ service: "runner", instanceId: "r-1" });
    log.info({ depth: 3 }, "queued");
    expect(lines[0]).toMatchObject({
      service: "runner",
      instance_id: "r-1",
      level: "info",
      depth: 3,
      msg: "queued",
    });
    expect(lines[0]?.["time"]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(lines[0]).not.toHaveProperty("trace_id");
  });

  test("below the level is not written", () => {
    const { log, lines } = captureLog({ level: "warn" });
    log.info("no");
    log.warn("yes");
    expect(lines.map((line) => line["msg"])).toEqual(["yes"]);
  });

  test("has the active span's trace id", async () => {
    await using _spans = await recordSpans();
    const { log, lines } = captureLog();
    const traceId = withSpan("work", {}, () => {
      log.info("inside");
      return activeTraceId();
    });
    expect(traceId).toMatch(/^[0-9a-f]{32}$/);
    expect(lines[0]?.["trace_id"]).toBe(traceId);
  });

  test("shows an error with stack and causes", () => {
    const { log, lines } = captureLog();
    const err = new Error("outer", { cause: new Error("inner") });
    log.error({ err }, "failed");
    log.error({ error: err }, "failed");
    for (const field of ["err", "error"]) {
      const shown = lines.find((line) => field in line)?.[field];
      expect(shown).toMatchObject({ message: "outer", cause: { message: "inner" } });
      expect(inspect(shown)).toContain("log.test.ts");
    }
  });

  test("shows an int64 as a number, or as text where JSON would lose digits", () => {
    const { log, lines } = captureLog();
    log.info({ generation: 2n ** 32n + 1n, run_epoch: 2n ** 60n }, "x");
    expect(lines[0]).toMatchObject({ generation: 4294967297, run_epoch: "1152921504606846976" });
  });
});

describe("nothing secret is printed", () => {
  test.each<[string, (log: ReturnType<typeof captureLog>["log"]) => void]>([
    ["a Secret as a field", (log) => log.info({ key: new Secret("hunter2") }, "x")],
    ["a Secret in a child", (log) => log.child({ key: new Secret("hunter2") }).info("x")],
    [
      "a Secret in the text",
      (log) => log.info("key %s %o", new Secret("hunter2"), new Secret("hunter2")),
    ],
    [
      "a Secret on an error",
      (log) =>
        log.error({ err: Object.assign(new Error("x"), { key: new Secret("hunter2") }) }, "x"),
    ],
    ["a header", (log) => log.info({ req: { headers: { authorization: "Bearer hunter2" } } }, "x")],
    [
      "a header in a child",
      (log) => log.child({ headers: { Authorization: "hunter2" } }).info("x"),
    ],
  ])("%s", (_what, write) => {
    const captured = captureLog();
    write(captured.log);
    expect(captured.lines).toHaveLength(1);
    expect(captured.text()).toContain("[secret]");
    expect(captured.text()).not.toContain("hunter2");
  });
});

describe("LANEKEEPER_LOG_KEYS", () => {
  const fields = { session_key: "agent:main:a", raw_key: "a", peer: { peer: "a" }, turn_id: "t" };

  test("hash hides keys in fields and children", () => {
    const { log, lines } = captureLog({ keys: "hash", keySecret: new Secret("s") });
    log.info(fields, "x");
    log.child(fields).info("x");
    for (const line of lines) {
      expect(line["session_key"]).toMatch(/^hmac:/);
      expect(line["raw_key"]).toMatch(/^hmac:/);
      expect(line["peer"]).toMatch(/^hmac:/);
      expect(line["turn_id"]).toBe("t");
    }
    expect(lines[0]?.["session_key"]).toBe(lines[1]?.["session_key"]);
  });

  test("none leaves them out", () => {
    const { log, lines } = captureLog({ keys: "none" });
    log.child(fields).info(fields, "x");
    expect(Object.keys(lines[0] ?? {})).not.toContain("session_key");
    expect(Object.keys(lines[0] ?? {})).not.toContain("peer");
    expect(lines[0]?.["turn_id"]).toBe("t");
  });
});

test("flushLog waits until the destination has written", async () => {
  const written: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  const { log } = captureLog({ destination });
  log.info("last words");
  await flushLog(log);
  expect(written.join("")).toContain("last words");
});
