import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ask, HELLO } from "../testing/ask.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";
import { SESSION_SOURCES, type SessionSourceName } from "../settings/tenant-settings.ts";

let lane: TestIngress;

beforeAll(async () => {
  lane = await startTestIngress();
});
afterAll(async () => {
  await lane[Symbol.asyncDispose]();
});
afterEach(() => apply([]));

async function apply(sources: readonly SessionSourceName[], requiresSession = false) {
  await lane.settings.write("default", { sessionSources: sources, requiresSession });
}

/** Every way to name a session, each by another name. */
const ALL = {
  headers: { "x-openwebui-chat-id": "webui", "x-conversation-id": "conv" },
  body: { ...HELLO, prompt_cache_key: "cache", user: "ann" },
};

async function keyOf(asked: Parameters<typeof ask>[1]) {
  const { headers, status, json } = await ask(lane, asked);
  expect(status, JSON.stringify(json)).toBe(200);
  return headers["x-session-key"] ?? headers["x-lane-disposition"];
}

describe("what names a session", () => {
  test.each([
    ["x-session-key", { headers: { "x-session-key": "k" } }],
    ["x-openclaw-session-key", { headers: { "x-openclaw-session-key": "k" } }],
    ["x-session-key-encoded", { headers: { "x-session-key-encoded": "%6B" } }],
    ["conversation", { body: { ...HELLO, conversation: "k" } }],
    ["conversation.id", { body: { ...HELLO, conversation: { id: "k" } } }],
    ["metadata.session_key", { body: { ...HELLO, metadata: { session_key: "k" } } }],
  ])("%s", async (_name, asked) => {
    expect(await keyOf(asked)).toBe("agent:main:k");
    expect(lane.runner.last.submit.parameters).not.toHaveProperty("conversation");
  });

  test("all of them may agree", async () => {
    const headers = { "x-session-key": "k", "x-openclaw-session-key": "k" };
    const body = { ...HELLO, conversation: { id: "k" }, metadata: { session_key: "k" } };
    expect(await keyOf({ headers, body })).toBe("agent:main:k");
  });

  test.each([
    [{ "x-session-key": "k" }, { conversation: "j" }, "conversation"],
    [{ "x-session-key": "k" }, { metadata: { session_key: "j" } }, "metadata.session_key"],
    [{}, { conversation: "k", metadata: { session_key: "j" } }, "metadata.session_key"],
    [{ "x-session-key": "k", "x-openclaw-session-key": "j" }, {}, "x-openclaw-session-key"],
    [{ "x-session-key": "agent:main:k" }, { conversation: "k" }, "conversation"],
  ])("%j and %j disagree", async (headers, body, param) => {
    const before = lane.runner.turns.length;
    const { status, json } = await ask(lane, { headers, body: { ...HELLO, ...body } });
    expect(status).toBe(400);
    const message = expect.stringMatching(/^\S+: is not the same text as \S+; send one of them/);
    expect(json).toMatchObject({ error: { code: "INVALID_REQUEST", param, message } });
    expect(lane.runner.turns).toHaveLength(before);
  });

  test.each([
    [{ conversation: 7 }, "conversation"],
    [{ conversation: { id: 7 } }, "conversation.id"],
    [{ conversation: ["k"] }, "conversation"],
    [{ conversation: {} }, "conversation.id"],
    [{ conversation: { id: null } }, "conversation.id"],
    [{ metadata: { session_key: 7 } }, "metadata.session_key"],
  ])("%j names none", async (body, param) => {
    const { status, json } = await ask(lane, { body: { ...HELLO, ...body } });
    expect(status).toBe(400);
    expect(json).toMatchObject({ error: { param } });
  });
});

describe("what a tenant has mapped", () => {
  test("nothing: the names of other systems are without effect, and the receipt says stateless", async () => {
    expect(await keyOf(ALL)).toBe("stateless");
  });

  test.each([
    ["x-openwebui-chat-id", "webui"],
    ["x-conversation-id", "conv"],
    ["prompt_cache_key", "cache"],
    ["user", "ann"],
  ] as const)("%s", async (source, name) => {
    await apply([source]);
    expect(await keyOf(ALL)).toBe(`agent:main:${name}`);
  });

  test("several: the first of the one order that is there, and never a conflict", async () => {
    await apply(SESSION_SOURCES.toReversed());
    expect(await keyOf(ALL)).toBe("agent:main:webui");
    const { "x-openwebui-chat-id": _, ...fewer } = ALL.headers;
    expect(await keyOf({ ...ALL, headers: fewer })).toBe("agent:main:conv");
    expect(await keyOf({ body: ALL.body })).toBe("agent:main:cache");
    expect(await keyOf({ body: { ...HELLO, user: "ann", prompt_cache_key: "" } })).toBe(
      "agent:main:ann",
    );
  });

  test("never wins over a name, so another key makes a run of its own; none of all, too", async () => {
    await apply(SESSION_SOURCES);
    const headers = { ...ALL.headers, "x-session-key": "of-its-own" };
    expect(await keyOf({ ...ALL, headers })).toBe("agent:main:of-its-own");
    expect(await keyOf({})).toBe("stateless");
  });

  test("still goes on to the model", async () => {
    await apply(["user"]);
    await ask(lane, ALL);
    expect(lane.runner.last.submit.parameters).toMatchObject({ user: "ann" });
  });

  test("that is no text, or not ASCII in a header, is refused by name", async () => {
    await apply(["x-conversation-id", "user"]);
    const number = await ask(lane, { body: { ...HELLO, user: 7 } });
    expect(number.json).toMatchObject({ error: { code: "INVALID_REQUEST", param: "user" } });
    const latin = await ask(lane, { headers: { "x-conversation-id": "k\u00fcche" } });
    expect(latin.json).toMatchObject({ error: { param: "x-conversation-id" } });
  });

  test("of a previous response, its session comes first", async () => {
    await apply(["user"]);
    const body = { model: "lanekeeper", input: "one", user: "ann" };
    const path = "/v1/responses";
    const first = await ask(lane, { path, body, headers: { "x-session-key": "k" } });
    const previous_response_id = (first.json as { id: string }).id;
    expect(await keyOf({ path, body: { ...body, previous_response_id } })).toBe("agent:main:k");
  });
});

describe("a tenant that requires a session", () => {
  test("refuses what names none, and takes what does", async () => {
    await apply(["user"], true);
    const { status, json } = await ask(lane);
    expect(status).toBe(400);
    expect(json).toMatchObject({ error: { code: "INVALID_REQUEST", param: "x-session-key" } });
    expect(await keyOf({ headers: { "x-session-key": "k" } })).toBe("agent:main:k");
    expect(await keyOf({ body: { ...HELLO, user: "ann" } })).toBe("agent:main:ann");
  });

  test("refuses to go on from a response without one", async () => {
    const path = "/v1/responses";
    const body = { model: "lanekeeper", input: "one" };
    const first = await ask(lane, { path, body });
    await apply([], true);
    const previous_response_id = (first.json as { id: string }).id;
    const { json } = await ask(lane, { path, body: { ...body, previous_response_id } });
    expect(json).toMatchObject({ error: { param: "x-session-key" } });
  });

  test.each([
    ["/v1/responses, empty", "/v1/responses", { model: "lanekeeper", input: "one" }, ""],
    ["/v1/chat/completions, which knows none", "/v1/chat/completions", HELLO, "resp_1"],
  ])("is not talked out of it by a previous response: %s", async (_what, path, given, previous) => {
    await apply(["user"], true);
    const before = lane.runner.turns.length;
    const body = { ...given, user: "ann", previous_response_id: previous };
    const { status, json } = await ask(lane, { path, body });
    expect(status).toBe(400);
    expect(json).toMatchObject({ error: { param: "previous_response_id" } });
    expect(lane.runner.turns).toHaveLength(before);
  });
});

describe("while the database cannot be asked", () => {
  test("a name is enough; without one, what was known of the tenant holds, else: ask again", async () => {
    await using fresh = await startTestIngress();
    fresh.settings.isDown = true;
    const named = await ask(fresh, { headers: { "x-session-key": "k" } });
    expect(named.status).toBe(200);
    const unknown = await ask(fresh);
    expect(unknown.status).toBe(503);
    expect(unknown.json).toMatchObject({ error: { code: "STORE_UNAVAILABLE" } });
    fresh.settings.isDown = false;
    await fresh.settings.write("default", { sessionSources: ["user"], requiresSession: false });
    const body = { ...HELLO, user: "ann" };
    expect((await ask(fresh, { body })).headers["x-session-key"]).toBe("agent:main:ann");
    fresh.settings.isDown = true;
    expect((await ask(fresh, { body })).headers["x-session-key"]).toBe("agent:main:ann");
  });
});
