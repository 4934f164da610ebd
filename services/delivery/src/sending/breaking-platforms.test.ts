import type { DeliveryClient } from "@lanekeeper/client";
import type { ApiBehaviour, SlackServer, TelegramServer } from "@lanekeeper/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { chatRoute, enqueueParts, SLACK, TELEGRAM, text } from "../testing/chat.ts";
import { type ChatWorld, startChatWorld } from "../testing/chat-world.ts";
import { untilState } from "../testing/replies.ts";
import { startTestSchemas, type TestSchemas } from "../testing/test-schemas.ts";

let schemas: TestSchemas;
let world: ChatWorld;
let slack: SlackServer;
let telegram: TelegramServer;
let runner: DeliveryClient;

beforeAll(async () => {
  schemas = await startTestSchemas();
});
afterAll(() => schemas[Symbol.asyncDispose]());
beforeEach(async () => {
  world = await startChatWorld(await schemas.open(), { telegramPace: { directMs: 1, groupMs: 1 } });
  ({ slack, telegram } = world);
  runner = world.as("runner");
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
  await schemas.giveBack();
});

const [ROUTES, REPLIES, BREAKS] = [3, 8, 30];

/** The same for a seed: https://en.wikipedia.org/wiki/Lehmer_random_number_generator */
function lehmer(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

/** What a platform, and what stands before it, has been seen to do. */
const ANY: readonly ApiBehaviour[] = [
  { cut: "before" },
  { cut: "during" },
  { cut: "after" },
  { status: 500 },
  { status: 502, page: "<html>Bad Gateway</html>" },
  { page: "<html>Please wait</html>" },
  { page: "<html>Please wait</html>", isDone: true },
  { status: 503, headers: { "retry-after": "0" }, page: "" },
  { status: 403, page: "<html>The proxy has another opinion</html>" },
];
const SLACKS: readonly ApiBehaviour[] = [
  ...ANY,
  { status: 429, headers: { "retry-after": "0" }, answer: { ok: false, error: "ratelimited" } },
  { status: 429, page: "" },
  { answer: { ok: false, error: "internal_error" } },
  { answer: { ok: false, error: "token_revoked" } },
  { answer: {} },
];
const TELEGRAMS: readonly ApiBehaviour[] = [
  ...ANY,
  { status: 429, answer: { ok: false, error_code: 429, parameters: { retry_after: 0 } } },
  { status: 429, answer: { ok: false, error_code: 429, description: "Too Many Requests" } },
  { status: 401, answer: { ok: false, error_code: 401, description: "Unauthorized" } },
];

function breaks(
  server: SlackServer | TelegramServer,
  behaviours: readonly ApiBehaviour[],
  methods: readonly string[],
  draw: (below: number) => number,
): void {
  for (const method of methods) {
    for (let at = 0; at < BREAKS; at++) {
      const isWell = draw(3) === 0;
      server.next(method, isWell ? {} : (behaviours[draw(behaviours.length)] ?? {}));
    }
  }
}

async function sayAll(routeOf: (at: number) => Promise<string>): Promise<void> {
  const routes = await Promise.all(Array.from({ length: ROUTES }, (_, at) => routeOf(at)));
  const ids: string[] = [];
  for (let reply = 0; reply < REPLIES; reply++) {
    for (const [at, routeId] of routes.entries()) {
      ids.push(await enqueueParts(runner, routeId, `${at}-${reply}`, [text(`${at}-${reply}`)]));
    }
  }
  await Promise.all(ids.map((id) => untilState(runner, id, "SENT")));
}

const wanted = (at: number) => Array.from({ length: REPLIES }, (_, reply) => `${at}-${reply}`);

test.each([1, 7, 4_711])(
  "whatever Slack does, every reply arrives, once and in the order of its thread (%i)",
  async (seed) => {
    breaks(slack, SLACKS, ["chat.postMessage", "conversations.replies"], lehmer(seed));
    await sayAll((at) => chatRoute(runner, { ...SLACK, address: "C1", threadId: `${at + 1}.1` }));
    for (let at = 0; at < ROUTES; at++) {
      const there = slack.messages.filter(({ thread_ts }) => thread_ts === `${at + 1}.1`);
      expect(there.map((message) => message.text)).toEqual(wanted(at));
    }
  },
);

test.each([1, 7, 4_711])(
  "whatever Telegram does, every reply arrives in its order, and again where nobody can tell (%i)",
  async (seed) => {
    breaks(telegram, TELEGRAMS, ["sendMessage"], lehmer(seed));
    await sayAll((at) => chatRoute(runner, { ...TELEGRAM, address: `${at + 1}` }));
    for (let at = 0; at < ROUTES; at++) {
      const there = telegram.messages.filter(({ chat_id }) => chat_id === `${at + 1}`);
      const said = there.map((message) => message.text);
      expect(said.filter((one, index) => said.indexOf(one) === index)).toEqual(wanted(at));
      expect(said.toSorted()).toEqual(said);
    }
  },
);
