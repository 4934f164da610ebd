import { expect, test } from "vitest";
import { slowConsumer } from "../errors/constructors.ts";
import { collect, failure } from "../testing/echo.ts";
import { PushStream } from "./push-stream.ts";

function stream(limit: number): PushStream<number> {
  return new PushStream({ limit, full: () => slowConsumer("too far behind") });
}

test("values come in order, before and after they are asked for", async () => {
  const values = stream(10);
  values.push(1);
  const read = collect(values);
  values.push(2);
  values.push(3);
  values.end();
  expect(await read).toEqual([1, 2, 3]);
});

test("a reader that is too far behind loses the stream at once", async () => {
  const values = stream(2);
  for (const value of [1, 2, 3, 4]) values.push(value);
  expect(values.open).toBe(false);
  expect(await failure(values.next())).toMatchObject({ reason: "SLOW_CONSUMER" });
  expect(await values.next()).toEqual({ done: true, value: undefined });
});

test("a failure comes after what was waiting, and once", async () => {
  const values = stream(10);
  values.push(1);
  values.fail(new Error("broken"));
  expect((await values.next()).value).toBe(1);
  expect(String(await failure(values.next()))).toBe("Error: broken");
  expect((await values.next()).done).toBe(true);
});

test("a failure reaches a reader that waits", async () => {
  const values = stream(10);
  const pending = failure(values.next());
  values.fail(new Error("broken"));
  expect(String(await pending)).toBe("Error: broken");
});

test("when the reader leaves, nothing is kept any more", async () => {
  const values = stream(1);
  await values.return();
  expect(values.open).toBe(false);
  values.push(1);
  expect((await values.next()).done).toBe(true);
});
