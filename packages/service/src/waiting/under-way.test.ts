import { expect, test } from "vitest";
import { UnderWay } from "./under-way.ts";

test("what is under way is waited for, also what it begins, and its failure is nobody's", async () => {
  const underWay = new UnderWay();
  await underWay.settled();
  const told: string[] = [];
  const first = deferred();
  const second = deferred();
  underWay.add(
    first.promise.then(() => {
      told.push("first");
      underWay.add(second.promise.then(() => told.push("second")));
      throw new Error("its own affair");
    }),
  );
  const settled = underWay.settled().then(() => told.push("settled"));
  first.resolve();
  await Promise.resolve();
  second.resolve();
  await settled;
  expect(told).toEqual(["first", "second", "settled"]);
});

function deferred(): { readonly promise: Promise<void>; resolve(): void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
