import { expect, test } from "vitest";
import type { StandingKey } from "../domain/key-state.ts";
import { KnownKeys } from "./known-keys.ts";

const named = (sessionKey: string) => ({ tenant: "t", sessionKey });
const known = (xid: string) => ({
  ...{ state: {} as StandingKey, xid, activeRun: undefined, policy: undefined },
  ...{ postmasterStartMs: 0, runIdsFromMs: undefined },
});

test("there are at most so many: the key that was written longest ago is forgotten", () => {
  const keys = new KnownKeys(2);
  keys.keep(named("a"), known("1"));
  keys.keep(named("b"), known("2"));
  keys.keep(named("a"), known("3"));
  keys.keep(named("c"), known("4"));
  expect(keys.size).toBe(2);
  expect(["a", "b", "c"].map((key) => keys.get(named(key))?.xid)).toEqual(["3", undefined, "4"]);
});

test("a tenant's key is no other tenant's", () => {
  const keys = new KnownKeys();
  keys.keep({ tenant: "one", sessionKey: "k" }, known("1"));
  expect(keys.get({ tenant: "two", sessionKey: "k" })).toBeUndefined();
  keys.forget({ tenant: "one", sessionKey: "k" });
  expect(keys.size).toBe(0);
});
