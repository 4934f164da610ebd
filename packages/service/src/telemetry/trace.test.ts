import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { recordSpans, type SpanRecorder } from "../testing/record-spans.ts";
import { activeTraceId, traceparentOf, withSpan } from "./trace.ts";
import { traceIdOf } from "./traceparent.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = `00-${TRACE}-b7ad6b7169203331-01`;

let spans: SpanRecorder;
beforeEach(async () => {
  spans = await recordSpans();
});
afterEach(() => spans[Symbol.asyncDispose]());

describe("withSpan", () => {
  test("ends the span when the promise settles, not before", async () => {
    const { promise, resolve } = withResolvers();
    const work = withSpan("work", { tenant: "t" }, () => promise);
    expect(spans.finished()).toHaveLength(0);
    resolve("done");
    expect(await work).toBe("done");
    expect(spans.finished()[0]).toMatchObject({ name: "work", attributes: { tenant: "t" } });
  });

  test("nests, also across awaits", async () => {
    await withSpan("outer", {}, async () => {
      await Promise.resolve();
      await withSpan("inner", {}, () => Promise.resolve());
    });
    const [inner, outer] = spans.finished();
    expect(outer?.name).toBe("outer");
    expect(inner?.parentSpanContext?.spanId).toBe(outer?.spanContext().spanId);
  });

  test("two at a time keep their own context", async () => {
    const one = () =>
      withSpan("one", {}, async () => {
        const before = activeTraceId();
        await new Promise((resolve) => setImmediate(resolve));
        return before !== undefined && before === activeTraceId() ? before : "mixed up";
      });
    const ids = await Promise.all([one(), one(), one()]);
    expect(new Set(ids).size).toBe(3);
    expect(ids).not.toContain("mixed up");
  });

  test.each<[string, () => unknown]>([
    [
      "a throw",
      () =>
        withSpan("bad", {}, () => {
          throw new Error("no");
        }),
    ],
    ["a rejection", () => withSpan("bad", {}, () => Promise.reject(new Error("no")))],
  ])("%s marks the span and goes on", async (_how, call) => {
    await expect((async () => call())()).rejects.toThrow("no");
    const [span] = spans.finished();
    expect(span?.status).toEqual({ code: SpanStatusCode.ERROR, message: "no" });
    expect(span?.events[0]?.name).toBe("exception");
  });

  test("takes its parent from a stored traceparent", () => {
    withSpan("later", {}, () => undefined, { parent: PARENT, kind: "consumer" });
    const [span] = spans.finished();
    expect(span?.spanContext().traceId).toBe(TRACE);
    expect(span?.parentSpanContext?.spanId).toBe("b7ad6b7169203331");
    expect(span?.kind).toBe(SpanKind.CONSUMER);
  });

  test("an ill-formed parent is ignored", () => {
    withSpan("outer", {}, () => withSpan("inner", {}, () => undefined, { parent: "garbage" }));
    const [inner, outer] = spans.finished();
    expect(outer?.name).toBe("outer");
    expect(inner?.parentSpanContext?.spanId).toBe(outer?.spanContext().spanId);
  });
});

describe("traceparent", () => {
  test("a span's can be stored and taken up again", async () => {
    const stored = withSpan("first", {}, traceparentOf);
    expect(stored).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    const seen = withSpan("later", {}, activeTraceId, { parent: stored });
    expect(seen).toBe(traceIdOf(stored));
  });

  test("nothing is active outside a span", () => {
    expect(activeTraceId()).toBeUndefined();
  });
});

/** Promise.withResolvers, which Node 20 lacks. */
function withResolvers(): { promise: Promise<string>; resolve: (value: string) => void } {
  let resolve: (value: string) => void = () => undefined;
  const promise = new Promise<string>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
