import { expect, test } from "vitest";
import { Disposal } from "./disposal.ts";

test("closes in reverse order, waiting for each", async () => {
  const closed: string[] = [];
  const close = (name: string) => async () => {
    await new Promise((resolve) => setImmediate(resolve));
    closed.push(name);
  };
  const opened = new Disposal();
  opened.use({ [Symbol.asyncDispose]: close("pool") });
  opened.defer(close("server"));
  opened.defer(() => closed.push("timer"));
  await opened[Symbol.asyncDispose]();
  expect(closed).toEqual(["timer", "server", "pool"]);
});

test("a failure does not keep the rest open, and is thrown at the end", async () => {
  const closed: string[] = [];
  const opened = new Disposal();
  opened.defer(() => closed.push("first opened"));
  opened.defer(() => Promise.reject(new Error("no")));
  await expect(opened[Symbol.asyncDispose]()).rejects.toThrow("no");
  expect(closed).toEqual(["first opened"]);
});

test("several failures are told together", async () => {
  const opened = new Disposal();
  for (const name of ["a", "b"]) opened.defer(() => Promise.reject(new Error(name)));
  const error: unknown = await opened[Symbol.asyncDispose]().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(AggregateError);
  expect(error).toMatchObject({ errors: [{ message: "b" }, { message: "a" }] });
});

test("is done once, however often it is asked for", async () => {
  let closed = 0;
  const opened = new Disposal();
  opened.defer(() => (closed += 1));
  await Promise.all([opened[Symbol.asyncDispose](), opened[Symbol.asyncDispose]()]);
  expect(closed).toBe(1);
});

test("refuses what would never be closed", async () => {
  const opened = new Disposal();
  await opened[Symbol.asyncDispose]();
  expect(() => opened.defer(() => undefined)).toThrow("already disposed");
});

test("works with `await using`", async () => {
  let closed = false;
  {
    await using opened = new Disposal();
    opened.defer(() => (closed = true));
  }
  expect(closed).toBe(true);
});
