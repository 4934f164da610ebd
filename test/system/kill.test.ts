import { eventually, gate, startConstellation, startModelServer } from "@lanekeeper/testing";
import { afterAll, beforeAll, expect, test } from "vitest";

import { openAi, say } from "../support/client.ts";
import { transcript } from "../support/transcript.ts";

let model: Awaited<ReturnType<typeof startModelServer>>;
let lanekeeper: Awaited<ReturnType<typeof startConstellation>>;

beforeAll(async () => {
  model = await startModelServer();
  lanekeeper = await startConstellation({ model, leaseMs: 2_000 });
});
afterAll(async () => {
  await lanekeeper?.stop();
  await model?.[Symbol.asyncDispose]();
});

interface TurnSeen {
  readonly turnId: string;
  readonly state: string;
}

async function turnsOf(sessionKey: string): Promise<TurnSeen[]> {
  const answer = await lanekeeper.call("runner.v1.RunnerService/ListTurns", { sessionKey });
  return (answer["turns"] ?? []) as TurnSeen[];
}

const ENDED = /COMPLETED|FAILED|INTERRUPTED|CANCELLED|SUPERSEDED|COALESCED|SKIPPED/;

/**
 * Begins a turn, breaks something while the model thinks, lets the model answer, and returns what
 * became of the turn.
 */
async function breakInTheMiddle(key: string, breakIt: () => Promise<void>) {
  const sessionKey = `agent:main:${key}`;
  const thinking = gate();
  const before = model.requests.length;
  model.always({ text: `reply under ${key}`, gate: thinking });
  const asked = say(openAi(lanekeeper), key, "are you there?").then(
    ({ text }) => ({ text, error: undefined }),
    (error: unknown) => ({ text: undefined, error }),
  );
  await model.request(before);
  await breakIt();
  thinking.open();
  await lanekeeper.waitReady();
  const turns = await eventually(
    async () => {
      const all = await turnsOf(sessionKey);
      return all.length > 0 && all.every(({ state }) => ENDED.test(state)) ? all : undefined;
    },
    { timeoutMs: 60_000, what: `the turn of ${key} ends` },
  );
  return { turns, told: await asked, lines: await transcript(lanekeeper, sessionKey) };
}

test.each(["session-identity", "runner", "delivery"] as const)(
  "kill -9 of %s in the middle of a turn: one answer, in the transcript once, and the caller gets it",
  async (service) => {
    const { turns, told, lines } = await breakInTheMiddle(`kill:${service}`, () =>
      lanekeeper.kill(service),
    );
    expect(turns.map(({ state }) => state)).toEqual(["TURN_STATE_COMPLETED"]);
    expect(lines.map(({ role, text }) => `${role}: ${text}`)).toEqual([
      "user: are you there?",
      `assistant: reply under kill:${service}`,
    ]);
    expect(told).toEqual({ text: `reply under kill:${service}`, error: undefined });
  },
);

test("kill -9 of ingress: the caller is cut off, the accepted turn is completed once", async () => {
  const { turns, told, lines } = await breakInTheMiddle("kill:ingress", () =>
    lanekeeper.kill("ingress"),
  );
  expect(told.error).toBeDefined();
  expect(turns.map(({ state }) => state)).toEqual(["TURN_STATE_COMPLETED"]);
  expect(lines.filter(({ role }) => role === "assistant")).toHaveLength(1);
});

test("kill -9 of Postgres: the accepted turn reaches one end, its reply stands at most once", async () => {
  const { turns, lines } = await breakInTheMiddle("kill:postgres", () => lanekeeper.killPostgres());
  expect(turns, JSON.stringify(turns)).toMatchObject([{ state: "TURN_STATE_COMPLETED" }]);
  expect(turns).toHaveLength(1);
  expect(lines.filter(({ role }) => role === "assistant").map(({ text }) => text)).toEqual([
    "reply under kill:postgres",
  ]);
});

test("after all that, the lanes go on", async () => {
  model.always({ text: "still here" });
  for (const service of ["session-identity", "runner", "delivery", "ingress", "postgres"]) {
    const { text, receipt } = await say(openAi(lanekeeper), `kill:${service}`, "and now?");
    expect(text).toBe("still here");
    expect(receipt.generation).toBe(1);
  }
});
