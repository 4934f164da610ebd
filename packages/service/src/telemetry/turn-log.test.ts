import { describe, expect, test } from "vitest";
import { captureLog } from "../testing/capture-log.ts";
import { recordSpans } from "../testing/record-spans.ts";
import { withSpan } from "./trace.ts";
import { turnLog } from "./turn-log.ts";

describe("turnLog", () => {
  test("every line of the child carries the fields; what is undefined is left out", () => {
    const { log, lines } = captureLog();
    const child = turnLog(log, { tenant: "t", turn_id: "u", generation: 3n, run_id: undefined });
    child.info("a");
    child.child({ step: 1 }).info("b");
    for (const line of lines)
      expect(line).toMatchObject({ tenant: "t", turn_id: "u", generation: 3 });
    expect(lines[0]).not.toHaveProperty("run_id");
    expect(lines[1]).toMatchObject({ step: 1 });
  });

  test("what is empty, as of a turn without a session, is left out too", () => {
    const { log, lines } = captureLog();
    const none = { raw_key: "", session_id: "", generation: 0n, run_id: "" };
    turnLog(log, { tenant: "t", turn_id: "u", ...none }).info("a");
    expect(lines[0]).toMatchObject({ tenant: "t", turn_id: "u" });
    for (const name of Object.keys(none)) expect(lines[0]).not.toHaveProperty(name);
  });

  test("a turn's own trace goes before the active span's, and stands there once", async () => {
    await using _spans = await recordSpans();
    const captured = captureLog();
    const own = "0af7651916cd43dd8448eb211c80319c";
    const traceparent = `00-${own}-b7ad6b7169203331-01`;
    withSpan("relay batch", {}, () => {
      turnLog(captured.log, { tenant: "t", traceparent }).child({ part: 1 }).info("sent");
    });
    expect(captured.lines[0]?.["trace_id"]).toBe(own);
    expect(captured.text().match(/"trace_id"/g)).toHaveLength(1);
  });

  test("an unknown field does not compile, not even from a variable", () => {
    const { log, lines } = captureLog();
    // @ts-expect-error sessionKey is session_key
    turnLog(log, { tenant: "t", sessionKey: "agent:main:a" }).info("x");
    const fields = { tenant: "t", turnid: "u" };
    // @ts-expect-error turnid is turn_id
    turnLog(log, fields).info("x");
    // @ts-expect-error a line whose tenant was forgotten
    turnLog(log, { turn_id: "u" }).info("x");
    expect(lines).toHaveLength(3);
  });
});
