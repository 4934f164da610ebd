import { ManualClock } from "@lanekeeper/service/testing";
import { beforeEach, describe, expect, test } from "vitest";
import { MemoryCredentials } from "../testing/memory-stores.ts";
import { CredentialCheck } from "./check.ts";

const LIMITS = { credentialFreshMs: 10, credentialStaleMs: 100, maxCachedCredentials: 2 };
const KEY = "lk_a_key_0123456789abcdef";

let store: MemoryCredentials;
let clock: ManualClock;
let check: CredentialCheck;

beforeEach(() => {
  store = new MemoryCredentials();
  store.add(KEY, { tenant: "acme", principal: "p-1", scopes: ["chat"] });
  clock = new ManualClock();
  check = new CredentialCheck({ store, clock, limits: LIMITS });
});

const authenticate = (key = KEY) => check.authenticate(`Bearer ${key}`);

describe("a credential", () => {
  test("stands for its tenant and principal", async () => {
    await expect(authenticate()).resolves.toMatchObject({ tenant: "acme", principal: "p-1" });
    await expect(check.authenticate(`bearer  ${KEY}`)).resolves.toMatchObject({ tenant: "acme" });
  });

  test("is looked up once for requests that come together, and again when it is no longer fresh", async () => {
    await Promise.all([authenticate(), authenticate(), authenticate()]);
    await authenticate();
    expect(store.finds).toBe(1);
    await clock.advance(10);
    await authenticate();
    expect(store.finds).toBe(2);
  });

  test("goes on while the database is down, but not for ever", async () => {
    await authenticate();
    store.isDown = true;
    await clock.advance(99);
    await expect(authenticate()).resolves.toMatchObject({ tenant: "acme" });
    await clock.advance(1);
    await expect(authenticate()).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
  });

  test("that is not known while the database is down is no 401", async () => {
    store.isDown = true;
    await expect(authenticate()).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
    store.isDown = false;
    await expect(authenticate()).resolves.toMatchObject({ tenant: "acme" });
  });

  test("that was revoked stops when it is looked up again", async () => {
    await authenticate();
    store.remove("p-1");
    await clock.advance(10);
    await expect(authenticate()).rejects.toMatchObject({ reason: "UNAUTHENTICATED" });
    store.isDown = true;
    await expect(authenticate()).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
  });

  test("is forgotten when others fill the cache", async () => {
    await authenticate();
    for (const key of ["lk_b", "lk_c"]) await authenticate(store.add(key));
    expect(store.finds).toBe(3);
    await authenticate();
    expect(store.finds).toBe(4);
  });

  test("without a scope is let through nowhere: behind ingress it would be a service's own", async () => {
    store.add("lk_no_scope", { scopes: [] });
    await expect(authenticate("lk_no_scope")).rejects.toMatchObject({
      reason: "PERMISSION_DENIED",
    });
    await expect(authenticate("lk_no_scope")).rejects.toMatchObject({
      reason: "PERMISSION_DENIED",
    });
  });

  test("that is unknown is never remembered", async () => {
    for (let i = 0; i < 3; i++) {
      await expect(authenticate("lk_other")).rejects.toMatchObject({ reason: "UNAUTHENTICATED" });
    }
    expect(store.finds).toBe(3);
    store.add("lk_other");
    await expect(authenticate("lk_other")).resolves.toBeDefined();
  });

  test.each([undefined, "", "Bearer", "Bearer ", "Basic abc", "Bearer a b", "lk_a_key"])(
    "in the form %j is refused without a look-up",
    async (authorization) => {
      const refused = check.authenticate(authorization);
      await expect(refused).rejects.toMatchObject({ reason: "UNAUTHENTICATED" });
      expect(store.finds).toBe(0);
    },
  );
});
