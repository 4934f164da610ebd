import { ManualClock } from "@lanekeeper/service/testing";
import { beforeEach, expect, test } from "vitest";
import { MemorySettings } from "../testing/memory-stores.ts";
import { SettingsDirectory } from "./directory.ts";

const LIMITS = { settingsFreshMs: 100, maxCachedTenants: 2 };

let clock: ManualClock;
let store: MemorySettings;
let directory: SettingsDirectory;

beforeEach(() => {
  clock = new ManualClock();
  store = new MemorySettings();
  directory = new SettingsDirectory({ store, clock, limits: LIMITS });
});

test("settings are read once for many requests, and again when they are no longer fresh", async () => {
  await Promise.all([directory.get("acme"), directory.get("acme"), directory.get("acme")]);
  expect(store.reads).toBe(1);
  await store.write("acme", { sessionSources: ["user"], requiresSession: true });
  expect((await directory.get("acme")).requiresSession).toBe(false);
  await clock.advance(100);
  expect((await directory.get("acme")).requiresSession).toBe(true);
});

test("a failure is not remembered", async () => {
  store.isDown = true;
  await expect(directory.get("acme")).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
  store.isDown = false;
  expect((await directory.get("acme")).sessionSources).toEqual([]);
});

test("as many tenants are remembered as the bound says", async () => {
  for (const tenant of ["a", "b", "c"]) await directory.get(tenant);
  await directory.get("c");
  expect(store.reads).toBe(3);
  await directory.get("a");
  expect(store.reads).toBe(4);
});
