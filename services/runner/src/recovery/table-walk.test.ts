import { expect, test } from "vitest";
import { TableWalk } from "./table-walk.ts";

const ROWS = [1, 2, 3, 4, 5];
const pageAfter = (after: number) => Promise.resolve(ROWS.filter((row) => row > after).slice(0, 2));

test("a walk goes on where it was, and from the end on to the beginning", async () => {
  const walk = new TableWalk(0);
  const taken: number[][] = [];
  const next = () =>
    walk.next(2, async (after) => {
      const page = await pageAfter(after);
      taken.push(page);
      return page;
    });
  expect([await next(), await next(), await next(), await next()]).toEqual([
    true,
    true,
    false,
    true,
  ]);
  expect(taken).toEqual([[1, 2], [3, 4], [5], [1, 2]]);
});

test("a page that could not be taken is taken again", async () => {
  const walk = new TableWalk(0);
  await walk.next(2, pageAfter);
  await expect(walk.next(2, () => Promise.reject(new Error("no store")))).rejects.toThrow();
  await walk.next(2, async (after) => {
    expect(after).toBe(2);
    return pageAfter(after);
  });
});
