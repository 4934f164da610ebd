import { describe, expect, test } from "vitest";
import { formatTraceparent, parseTraceparent } from "./traceparent.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

describe("traceparent", () => {
  test.each(["00", "01"])("flags %s are read and written alike", (flags) => {
    const text = `00-${TRACE}-${SPAN}-${flags}`;
    const parsed = parseTraceparent(text);
    expect(parsed).toMatchObject({ traceId: TRACE, spanId: SPAN, isRemote: true });
    expect(parsed && formatTraceparent(parsed)).toBe(text);
  });

  test("flags that we do not know are not passed on", () => {
    const parsed = parseTraceparent(`00-${TRACE}-${SPAN}-ff`);
    expect(parsed && formatTraceparent(parsed)).toBe(`00-${TRACE}-${SPAN}-01`);
  });

  test("a later version may have more parts", () => {
    expect(parseTraceparent(`cc-${TRACE}-${SPAN}-01-more`)).toBeDefined();
  });

  test.each([
    "",
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}-${SPAN}-01-more`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${"0".repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-0`,
  ])("%j is none", (text) => {
    expect(parseTraceparent(text)).toBeUndefined();
  });
});
