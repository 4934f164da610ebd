import { describe, expect, test } from "vitest";
import {
  databaseUrl,
  duration,
  flag,
  hostName,
  integer,
  oneOf,
  path,
  port,
  url,
} from "./parsers.ts";

describe("duration", () => {
  const parser = duration({ min: 0, max: 3_600_000 });
  test.each([
    ["25s", 25_000],
    ["25 s", 25_000],
    ["1500ms", 1_500],
    ["1500", 1_500],
    ["1.1s", 1_100],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["0", 0],
  ])("%s is %d ms", (text, ms) => {
    expect(parser.parse(text)).toBe(ms);
  });
  test.each(["25x", "-1s", "s", "1e3", "2h", "1 s s", "0x10"])("%s is refused", (text) => {
    expect(parser.parse(text)).toBeUndefined();
  });
});

describe("integer and port", () => {
  const parser = integer({ min: 1, max: 100 });
  test("bounds are inclusive", () => {
    expect([1, 100].map((n) => parser.parse(String(n)))).toEqual([1, 100]);
    expect(["0", "101"].map((n) => parser.parse(n))).toEqual([undefined, undefined]);
  });
  test.each(["", "8.0", "0x8", "1e1", " 8", "8a", "NaN"])("%j is no number", (text) => {
    expect(parser.parse(text)).toBeUndefined();
  });
  test("a port may be 0, and no more than 65535", () => {
    expect(["0", "65535", "65536", "-1"].map((n) => port.parse(n))).toEqual([
      0,
      65535,
      undefined,
      undefined,
    ]);
  });
});

describe("the rest", () => {
  test("oneOf does not accept what an object inherits", () => {
    expect(oneOf(["info"]).parse("info")).toBe("info");
    expect(oneOf(["info"]).parse("constructor")).toBeUndefined();
    expect(flag.parse("constructor")).toBeUndefined();
  });
  test("flag", () => {
    expect(["1", "0", "yes"].map((text) => flag.parse(text))).toEqual([true, false, undefined]);
  });
  test.each([
    ["127.0.0.1", "127.0.0.1"],
    ["[::]", "::"],
    ["::1", "::1"],
    ["node-1.internal", "node-1.internal"],
    ["localhost:80", undefined],
    ["http://x", undefined],
    ["a b", undefined],
  ])("host %s", (text, host) => {
    expect(hostName.parse(text)).toBe(host);
  });
  test("url wants one of its protocols", () => {
    const http = url(["http:", "https:"]);
    expect(http.parse("https://a/v1")).toBe("https://a/v1");
    expect(http.parse("ftp://a")).toBeUndefined();
    expect(http.parse("a/v1")).toBeUndefined();
  });
  test("a database URL is a secret", () => {
    expect(databaseUrl.parse("postgres://u:p@h/db")?.reveal()).toBe("postgres://u:p@h/db");
    expect(databaseUrl.parse("mysql://u:p@h/db")).toBeUndefined();
  });
  test("a path is absolute from here on", () => {
    expect(path.parse("x/../y")).toBe(`${process.cwd()}/y`);
  });
});
