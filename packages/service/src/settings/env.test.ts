import { describe, expect, expectTypeOf, test } from "vitest";
import { EnvError, optional, readVariables, withDefault } from "./env.ts";
import { databaseUrl, port, secret, url } from "./parsers.ts";
import type { Secret } from "./secret.ts";

const table = {
  port: withDefault("APP_PORT", port, 8080, "where it listens"),
  key: optional("APP_KEY", secret, "a key"),
  database: optional("APP_DATABASE", databaseUrl, "a database"),
  peer: optional("APP_PEER", url(["http:"]), "a peer"),
};

function problemsOf(env: Record<string, string>): EnvError {
  try {
    readVariables(table, env);
  } catch (error) {
    if (error instanceof EnvError) return error;
  }
  throw new Error("nothing was refused");
}

describe("readVariables", () => {
  test("gives typed values", () => {
    const read = readVariables(table, { APP_PORT: " 81 ", APP_KEY: "k" });
    expectTypeOf(read.port).toEqualTypeOf<number>();
    expectTypeOf(read.key).toEqualTypeOf<Secret | undefined>();
    expect(read.port).toBe(81);
    expect(read.key?.reveal()).toBe("k");
  });

  test("empty and blank count as unset", () => {
    expect(readVariables(table, { APP_PORT: "", APP_PEER: "  " })).toEqual({ port: 8080 });
  });

  test("an error names variable, value and what was expected", () => {
    expect(problemsOf({ APP_PORT: "80a" }).message).toBe(
      'APP_PORT is "80a": expected a port from 0 to 65535 (0: any free one).',
    );
  });

  test("all wrong variables are told at once", () => {
    const { problems } = problemsOf({ APP_PORT: "x", APP_PEER: "y" });
    expect(problems.map((problem) => problem.variable)).toEqual(["APP_PORT", "APP_PEER"]);
  });

  test("a wrong secret is named but not shown", () => {
    const { message } = problemsOf({ APP_DATABASE: "mysql://u:hunter2@h/db" });
    expect(message).toContain("APP_DATABASE");
    expect(message).not.toContain("hunter2");
  });

  test("credentials inside a URL are not shown either", () => {
    const { message } = problemsOf({ APP_PEER: "ftp://u:hunter2@h/" });
    expect(message).toContain("ftp://[secret]@h/");
    expect(message).not.toContain("hunter2");
  });

  test("a long value is cut", () => {
    expect(problemsOf({ APP_PORT: "9".repeat(5_000) }).message.length).toBeLessThan(300);
  });
});
