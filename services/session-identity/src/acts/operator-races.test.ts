import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { begin } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import type { Calls } from "../testing/drive/door.ts";
import {
  expectOneHop,
  nothing,
  race,
  raw,
  rowsOf,
  RUNS,
  sessionOf,
  startRace,
  type Work,
} from "../testing/drive/race.ts";

/** What operators change, while others do the same or write: in every order of statements. */
const database = testDatabase();

const key = (name: string) => `agent:main:${name}`;

const alias =
  (from: string, to: string): Work =>
  async ({ ingress }, tenant) => {
    const request = { aliasSessionKey: key(from), sessionKey: key(to) };
    await ingress.registerAlias(request, { tenant });
    return "granted";
  };

const merge =
  (loser: string, survivor: string): Work =>
  async ({ ingress }, tenant) => {
    const keys = { sessionKey: key(loser), survivorSessionKey: key(survivor) };
    await ingress.mergeSessions({ requestId: randomUUID(), ...keys }, { tenant });
    return "granted";
  };

test("two operators who lead two keys to each other: one is granted, the other is ALIAS_CONFLICT", async () => {
  const started = await startRace(database);
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), async (scheduler) => {
      const works = [alias("a", "b"), alias("b", "a")];
      const { tenant, outcomes } = await race(started, scheduler, nothing, works);
      expect(new Set(outcomes)).toEqual(new Set(["granted", "ALIAS_CONFLICT"]));
      await expectOneHop(started, tenant);
    }),
    RUNS,
  );
});

test("three operators who would close a circle of aliases: at no time is one more than one hop long", async () => {
  const started = await startRace(database);
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), async (scheduler) => {
      const works = [alias("a", "b"), alias("b", "c"), alias("c", "a")];
      const { tenant, outcomes } = await race(started, scheduler, nothing, works);
      expect(outcomes.filter((one) => one === "granted")).toHaveLength(1);
      await expectOneHop(started, tenant);
    }),
    RUNS,
  );
});

test("a reservation that races an alias: the key has a session or leads elsewhere, never both", async () => {
  const started = await startRace(database);
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), async (scheduler) => {
      const prelude = (calls: Calls, tenant: string) =>
        calls.resolveSession(raw("home"), { tenant });
      const works = [sessionOf(raw("nick")), alias("nick", "home"), sessionOf(raw("nick"))];
      const { tenant, ingress, outcomes } = await race(started, scheduler, prelude, works);
      const now = (await ingress.resolveSession(raw("nick"), { tenant })).session?.ref;
      const [first, registered, second] = outcomes;
      expect(now?.sessionKey).toBe(registered === "granted" ? key("home") : key("nick"));
      if (registered !== "granted") expect(registered).toBe("ALIAS_CONFLICT");
      expect([first, second]).toEqual([now, now]);
      const nick = (await rowsOf(started, tenant)).find((row) => row.session_key === key("nick"));
      expect(nick?.alias_of === null).toBe(nick?.session_id !== null);
    }),
    RUNS,
  );
});

test("two operators who merge two sessions into each other: one does, the other is told where it went", async () => {
  const started = await startRace(database);
  const prelude = async (calls: Calls, tenant: string) => {
    for (const name of ["a", "b"]) await calls.resolveSession(raw(name), { tenant });
  };
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), async (scheduler) => {
      const works = [merge("a", "b"), merge("b", "a")];
      const { tenant, outcomes } = await race(started, scheduler, prelude, works);
      expect(new Set(outcomes)).toEqual(new Set(["granted", "KEY_MOVED"]));
      await expectOneHop(started, tenant);
    }),
    RUNS,
  );
});

test("a merge that races a run: either the run holds its key and nothing moved, or the run goes to the survivor", async () => {
  const started = await startRace(database);
  const prelude = async (calls: Calls, tenant: string) => {
    for (const name of ["loser", "survivor"]) await calls.resolveSession(raw(name), { tenant });
  };
  const run: Work = async ({ runner }, tenant) => {
    await runner.beginRun(begin(key("loser")), { tenant });
    return "granted";
  };
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), async (scheduler) => {
      const works = [merge("loser", "survivor"), run];
      const { tenant, outcomes } = await race(started, scheduler, prelude, works);
      const [merged, begun] = outcomes;
      expect([
        ["granted", "KEY_MOVED"],
        ["SESSION_BUSY", "granted"],
      ]).toContainEqual([merged, begun]);
      const loser = (await rowsOf(started, tenant)).find((row) => row.session_key === key("loser"));
      expect(loser?.moved_to === null).toBe(merged !== "granted");
    }),
    RUNS,
  );
});
