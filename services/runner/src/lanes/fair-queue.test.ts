import { expect, test } from "vitest";
import { FairQueue } from "./fair-queue.ts";

const item = (tenant: string, id: string) => ({ tenant, id });

/** Rooms of which the tenants have so many; those named have no more. */
function rooms(has: Record<string, number>, full: readonly string[] = []) {
  return {
    of: (tenant: string) => has[tenant] ?? 0,
    hasFor: (tenant: string) => !full.includes(tenant),
  };
}

test("who has least goes on first, however long the others wait, and of a tenant the first first", () => {
  const queue = new FairQueue<ReturnType<typeof item>>({ forAll: 10, keptForFew: 0, few: 0 });
  for (const id of ["a1", "a2", "a1"]) queue.add(id, item("a", id));
  for (const id of ["b1", "b2"]) queue.add(id, item("b", id));
  const has: Record<string, number> = { a: 3, b: 1 };
  const order: string[] = [];
  for (let next = queue.next(rooms(has)); next !== undefined; next = queue.next(rooms(has))) {
    order.push(next.id);
    has[next.tenant] = (has[next.tenant] ?? 0) + 1;
  }
  expect(order).toEqual(["b1", "b2", "a1", "a2"]);
});

test("who may have no more room holds up nobody", () => {
  const queue = new FairQueue<ReturnType<typeof item>>({ forAll: 10, keptForFew: 0, few: 0 });
  queue.add("a1", item("a", "a1"));
  expect(queue.next(rooms({}, ["a"]))).toBeUndefined();
  queue.add("b1", item("b", "b1"));
  expect(queue.next(rooms({ b: 9 }, ["a"]))?.id).toBe("b1");
  expect(queue.next(rooms({}))?.id).toBe("a1");
  expect(queue.next(rooms({}))).toBeUndefined();
});

test("one tenant's crowd leaves places for the others'", () => {
  const queue = new FairQueue<ReturnType<typeof item>>({ forAll: 3, keptForFew: 2, few: 2 });
  for (let n = 0; n < 5; n++) queue.add(`a${n}`, item("a", `a${n}`));
  for (let n = 0; n < 3; n++) queue.add(`b${n}`, item("b", `b${n}`));
  queue.add("c0", item("c", "c0"));
  const order: string[] = [];
  for (let next = queue.next(rooms({})); next !== undefined; next = queue.next(rooms({}))) {
    order.push(next.id);
  }
  expect(order).toEqual(["a0", "a1", "a2", "b0", "b1"]);
});
