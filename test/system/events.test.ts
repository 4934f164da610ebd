import { createIdentityClient } from "@lanekeeper/client";
import { eventually, startConstellation, type TestConstellation } from "@lanekeeper/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

import { openAi, say } from "../support/client.ts";
import { openDocument } from "../support/document.ts";

const IDENTITY = "identity.v1.SessionIdentityService";

let lanekeeper: TestConstellation;
let ends: AbortController[];

beforeAll(async () => {
  ends = [];
  lanekeeper = await startConstellation();
});
afterAll(async () => {
  for (const end of ends) end.abort();
  await lanekeeper?.stop();
});

/** A subscriber that is read in the background. */
async function subscribe(query = "", headers: Record<string, string> = {}) {
  const end = new AbortController();
  ends.push(end);
  const response = await fetch(`${lanekeeper.baseUrl}/lanekeeper/v1/events${query}`, {
    headers: { authorization: `Bearer ${lanekeeper.apiKey}`, ...headers },
    signal: end.signal,
  });
  let text = "";
  const read = async (): Promise<void> => {
    for await (const part of response.body ?? []) text += Buffer.from(part).toString("utf8");
  };
  read().catch(() => undefined);
  const lines = (name: string): readonly string[] =>
    [...text.matchAll(new RegExp(`^${name}: (.*)$`, "gm"))].map(([, value = ""]) => value);
  return {
    status: response.status,
    end: () => end.abort(),
    events: () => lines("event"),
    lastId: () => lines("id").at(-1) ?? "",
    until: (part: string) => eventually(() => text.includes(part), { what: `${part} in ${text}` }),
    /** Turns that were told to be running. */
    activeTurns: () => [...text.matchAll(/"holder":{[^}]*"turnId":"([^"]+)"/g)].map(([, id]) => id),
    /** Generations of a key in the order in which they were told. */
    generations: (key: string) =>
      [
        ...text.matchAll(
          new RegExp(`"sessionKey":"${key}","sessionId":"[^"]*","generation":"(\\d+)"`, "g"),
        ),
      ].map(([, generation]) => Number(generation)),
  };
}

async function reset(key: string, requestId: string): Promise<void> {
  const sessionKey = `agent:main:${key}`;
  const request = { requestId, sessionKey, reason: "ROTATION_REASON_RESET" };
  // Under its request id it may be asked for again while a killed service comes back.
  await eventually(() => lanekeeper.call(`${IDENTITY}/RotateSession`, request));
}

test("states, changes and lanes over HTTP; kill -9 of delivery and of session-identity loses nothing", async () => {
  await lanekeeper.call(`${IDENTITY}/ResolveSession`, { rawKey: "room:1" });
  await lanekeeper.call(`${IDENTITY}/ResolveSession`, { rawKey: "other" });
  const all = await subscribe();
  const one = await subscribe("?prefix=agent:main:room:&lanes=0");
  await all.until("event: lane.snapshot_end");
  await one.until("event: session.snapshot_end");
  await reset("room:1", "r-2");
  await one.until('"generation":"2"');

  // A lane is told of while it has work: this turn ends when it is told to.
  const turn = say(openAi(lanekeeper), "room:1", "!sleep 60s").catch((error: unknown) => error);
  await all.until("event: lane.changed");
  const turnId = await eventually(() => all.activeTurns()[0]);
  await lanekeeper.call("runner.v1.RunnerService/CancelTurn", { turnId });
  expect(await turn).toMatchObject({ code: "TURN_CANCELLED" });

  await lanekeeper.kill("delivery");
  await reset("room:1", "r-3");
  await lanekeeper.kill("session-identity");
  await lanekeeper.waitReady();
  await reset("room:1", "r-4");
  await one.until('"generation":"4"');
  const told = one.generations("agent:main:room:1");
  expect(told).toEqual(told.toSorted((a, b) => a - b));
  expect([...new Set(told)]).toEqual([1, 2, 3, 4]);
  expect(one.events()).not.toContain("error");
  expect(one.generations("agent:main:other")).toEqual([]);

  one.end();
  const lastId = one.lastId();
  await reset("room:1", "r-5");
  const resumed = await subscribe("?prefix=agent:main:room:&lanes=0", { "last-event-id": lastId });
  await resumed.until('"generation":"5"');
  expect(resumed.generations("agent:main:room:1")).toEqual([5]);
  expect(resumed.events()).not.toContain("session.snapshot");

  const credential = lanekeeper.credential("cli");
  using cli = createIdentityClient({ target: lanekeeper.targets["session-identity"], credential });
  await cli.raiseFences({ requestId: "raise-1" }, { timeoutMs: 60_000 });
  await resumed.until('"code":"RESUME_TOKEN_EXPIRED"');
  const old = await subscribe("", { "last-event-id": resumed.lastId() });
  expect(old.status).toBe(410);
});

test("the page's command shows what stands", async () => {
  const document = openDocument("docs/events.md", lanekeeper);
  const [command = ""] = document.blocks("sh");
  const shown = await document.paste(`${command.trimEnd()} | head -n 3`);
  expect(shown).toContain("event: session.snapshot");
});
