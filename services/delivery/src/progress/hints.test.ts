import type { DeliveryClient } from "@lanekeeper/client";
import { ProgressPhase } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { systemIds } from "@lanekeeper/service";
import { eventually, gate, type SlackServer, type TelegramServer } from "@lanekeeper/testing";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { chatRoute, enqueueParts, SLACK, TELEGRAM, text } from "../testing/chat.ts";
import { type ChatWorld, startChatWorld } from "../testing/chat-world.ts";
import type { IdentityStandIn } from "../testing/identity-stand-in.ts";
import { SESSION_ID, SESSION_KEY, untilState } from "../testing/replies.ts";
import type { TestDelivery } from "../testing/test-delivery.ts";
import { startTestSchemas, type TestSchemas } from "../testing/test-schemas.ts";

let schemas: TestSchemas;
let world: ChatWorld;
let identity: IdentityStandIn;
let telegram: TelegramServer;
let slack: SlackServer;
let delivery: TestDelivery;
let runner: DeliveryClient;

beforeAll(async () => {
  schemas = await startTestSchemas();
});
afterAll(() => schemas[Symbol.asyncDispose]());
beforeEach(async () => {
  world = await startChatWorld(await schemas.open(), { hintsAtOnce: 2, hintMs: 60_000 });
  ({ identity, slack, telegram, delivery } = world);
  runner = world.as("runner");
});
afterEach(async () => {
  await world[Symbol.asyncDispose]();
  await schemas.giveBack();
});

const ACTION = "sendChatAction";
const RUNNING = ProgressPhase.RUNNING;
const session = { sessionKey: SESSION_KEY, sessionId: SESSION_ID, generation: 1n };
const show = (routeId: string, turnId: string = systemIds.uuid(), phase: ProgressPhase = RUNNING) =>
  runner.showProgress({ session, turnId, routeId, phase });
const chat = (address: string) => chatRoute(runner, { ...TELEGRAM, address });

/** By then everything that was asked for before has been done or dropped. */
async function settled(): Promise<void> {
  const last = await chat("999");
  await eventually(async () => {
    await show(last);
    return telegram.typing.includes("999");
  });
}

test("people see typing on Telegram, and a status in a thread of Slack, by what the turn does", async () => {
  await show(await chat("42"));
  await eventually(() => telegram.typing.length === 1);
  expect(telegram.typing).toEqual(["42"]);
  const place = { ...SLACK, address: "C0123" };
  const thread = await chatRoute(runner, { ...place, threadId: "1503435956.000247" });
  await show(thread, "turn-1", ProgressPhase.QUEUED);
  await eventually(() => slack.statuses.length === 1);
  expect(slack.statuses).toEqual(["is busy with another message…"]);
  await show(await chatRoute(runner, place));
  await settled();
  expect(slack.of("assistant.threads.setStatus")).toHaveLength(1);
});

test("a place is shown no more than one hint in a while", async () => {
  const routeId = await chat("42");
  for (let beat = 0; beat < 5; beat++) await show(routeId);
  await eventually(() => telegram.typing.includes("42"));
  await settled();
  expect(telegram.typing.filter((id) => id === "42")).toHaveLength(1);
});

test("a session that was reset away shows nothing", async () => {
  identity.oldestDeliverable = 2n;
  await show(await chat("42"), "turn-1");
  await eventually(() => identity.checked.includes("turn-1"));
  identity.oldestDeliverable = 1n;
  await settled();
  expect(telegram.typing).not.toContain("42");
});

test("once the reply is here nothing is shown for its turn any more", async () => {
  const routeId = await chat("42");
  await untilState(runner, await enqueueParts(runner, routeId, "turn-1", [text("a")]), "SENT");
  await show(routeId, "turn-1");
  await settled();
  expect(telegram.typing).not.toContain("42");
});

test("hints that hang delay neither each other's callers nor a reply; more than there may be are dropped", async () => {
  const hanging = gate();
  telegram.always(ACTION, { gate: hanging });
  const routes = await Promise.all(["1", "2", "3", "4"].map((id) => chat(id)));
  for (const routeId of routes) await show(routeId);
  await eventually(() => telegram.of(ACTION).length === 2);
  const [routeId = ""] = routes;
  await untilState(runner, await enqueueParts(runner, routeId, "turn-1", [text("a")]), "SENT");
  expect(telegram.of(ACTION)).toHaveLength(2);
  hanging.open();
});

test("a place that refuses hints is left alone, and still gets its replies", async () => {
  const answer = { ok: false, error_code: 403, description: "Forbidden" };
  telegram.next(ACTION, { status: 403, answer });
  const routeId = await chat("42");
  await show(routeId);
  await telegram.call(ACTION, 0);
  await untilState(runner, await enqueueParts(runner, routeId, "turn-1", [text("a")]), "SENT");
  expect(delivery.log.lines.filter(({ level }) => level === "error")).toEqual([]);
});

test("a webhook has nothing of the kind, and a route that is unknown is nobody's error", async () => {
  const kind = RouteKind.WEBHOOK;
  const webhook = { sessionKey: SESSION_KEY, kind, address: "https://hooks.example/a" };
  const { route } = await runner.registerRoute(webhook);
  await show(route?.routeId ?? "");
  await show(SESSION_ID);
  await settled();
  expect(telegram.typing).toEqual(["999"]);
});

test.each([
  ["no session", { session: undefined }],
  ["no phase", { phase: ProgressPhase.UNSPECIFIED }],
  ["no route", { routeId: "" }],
  ["no turn", { turnId: "" }],
])("a hint with %s is refused", async (_, change) => {
  const hint = { session, turnId: "turn-1", routeId: SESSION_ID, phase: RUNNING, ...change };
  const shown = runner.showProgress(hint);
  await expect(shown).rejects.toMatchObject({ reason: "INVALID_REQUEST" });
});
