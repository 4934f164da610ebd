import { describe, expect, test } from "vitest";
import { formatTarget, parseTarget } from "./target.ts";

describe("targets", () => {
  test.each([
    "dns:///runner.internal:7102",
    "127.0.0.1:7101",
    "10.0.0.1:7101,10.0.0.2:7101",
    "[::1]:7101,[::2]:7101",
    "host-a:1",
  ])("%s is read and written alike", (text) => {
    const target = parseTarget(text);
    expect(target).toBeDefined();
    expect(target && formatTarget(target)).toBe(text);
  });

  test("a list may have spaces", () => {
    expect(parseTarget("10.0.0.1:1, 10.0.0.2:2")).toEqual({
      kind: "list",
      addresses: [
        { host: "10.0.0.1", port: 1 },
        { host: "10.0.0.2", port: 2 },
      ],
    });
  });

  test.each([
    "a",
    "a:0",
    "a:65536",
    ":1",
    "a:1,",
    "a:1,b:1",
    "10.0.0.1:1,[::1]:1",
    "http://a:1",
    "dns://resolver/a:1",
    "dns:///a",
    "::1:80",
  ])("%j is none", (text) => {
    expect(parseTarget(text)).toBeUndefined();
  });
});
