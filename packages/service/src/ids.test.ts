import { validate, version } from "uuid";
import { expect, test } from "vitest";
import { systemIds } from "./ids.ts";
import { sequentialIds } from "./testing/sequential-ids.ts";

test("ids are UUIDv7, lower case, each greater than the last", () => {
  const ids = Array.from({ length: 10_000 }, () => systemIds.uuid());
  for (const [index, id] of ids.entries()) {
    expect(validate(id) && version(id) === 7 && id === id.toLowerCase()).toBe(true);
    if (index > 0) expect(id > (ids[index - 1] ?? "")).toBe(true);
  }
});

test("sequential ids are valid, ordered, and the same in every run", () => {
  const ids = sequentialIds();
  const three = [ids.uuid(), ids.uuid(), ids.uuid()];
  expect(three[0]).toBe("00000000-0001-7000-8000-000000000000");
  expect(three.every((id) => validate(id) && version(id) === 7)).toBe(true);
  expect(three.toSorted()).toEqual(three);
  expect(sequentialIds().uuid()).toBe(three[0]);
});
