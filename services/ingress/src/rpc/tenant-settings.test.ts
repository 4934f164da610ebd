import { SessionSource } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Ask, ask } from "../testing/ask.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;

beforeAll(async () => {
  lane = await startTestIngress();
});
afterAll(async () => {
  await lane[Symbol.asyncDispose]();
});

const call = (method: string, body: object, more: Ask = {}) =>
  ask(lane, { path: `/lanekeeper.ingress.v1.IngressService/${method}`, body, ...more });

test("settings are applied, told, and in force; unknown ones are refused", async () => {
  expect((await call("GetTenantSettings", {})).json).toEqual({ settings: {} });
  const settings = {
    sessionSources: ["SESSION_SOURCE_USER", "SESSION_SOURCE_CONVERSATION_ID"],
    requiresSession: true,
  };
  expect((await call("ApplyTenantSettings", { settings })).json).toEqual({ version: "1" });
  expect((await call("GetTenantSettings", {})).json).toMatchObject({
    version: "1",
    settings: { ...settings, sessionSources: settings.sessionSources.toReversed() },
    applyTime: expect.any(String),
  });
  expect((await ask(lane)).status).toBe(400);
});

test.each([
  ["no settings", {}, "settings"],
  [
    "an unspecified source",
    { sessionSources: [SessionSource.UNSPECIFIED] },
    "settings.session_sources[0]",
  ],
  [
    "one twice",
    { sessionSources: ["SESSION_SOURCE_USER", "SESSION_SOURCE_USER"] },
    "settings.session_sources",
  ],
])("%s: INVALID_REQUEST", async (what, settings, field) => {
  const { status, text } = await call(
    "ApplyTenantSettings",
    what === "no settings" ? {} : { settings },
  );
  expect(status).toBe(400);
  expect(text).toContain(field);
});

test("applying is for administrators, reading for operators too", async () => {
  const key = lane.credentials.add("lk_operator_key_0123456789abc", { scopes: ["operator"] });
  const headers = { authorization: `Bearer ${key}` };
  expect((await call("ApplyTenantSettings", { settings: {} }, { headers })).status).toBe(403);
  expect((await call("GetTenantSettings", {}, { headers })).status).toBe(200);
});
