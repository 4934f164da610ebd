import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { SubmitTurnRequestSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { type CallContext, LanekeeperError } from "@lanekeeper/rpc";
import { describe, expect, test } from "vitest";
import { textMessage } from "../domain/context.ts";
import { parseSubmit } from "./parse-submit.ts";

type Init = MessageInitShape<typeof SubmitTurnRequestSchema>;

const SESSION = {
  sessionKey: "agent:main:test",
  sessionId: "0199f000-0000-7000-8000-000000000001",
  generation: 2n,
};

const GOOD: Init = {
  idempotencyKey: "key-1",
  fingerprint: new Uint8Array([1]),
  target: { case: "session", value: SESSION },
  turnClass: 1,
  messages: [textMessage(Role.USER, "hi")],
};

const CALL = {
  tenant: "t1",
  principal: "p1",
  peer: { kind: "service", service: "ingress" },
  scopes: [] as readonly string[],
  agents: [] as readonly string[],
  keyPrefixes: [] as readonly string[],
  requestId: "r1",
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
} as CallContext;

function parse(overrides: Init = {}, call: CallContext = CALL) {
  return parseSubmit(create(SubmitTurnRequestSchema, { ...GOOD, ...overrides } as Init), call);
}

function refusalOf(overrides: Init, call?: CallContext): [string, string | undefined] {
  try {
    parse(overrides, call);
  } catch (error) {
    if (error instanceof LanekeeperError) return [error.reason, error.metadata["field"]];
    throw error;
  }
  throw new Error("it was accepted");
}

const message = (init: object): Init => ({ messages: [{ role: 2, ...init }] as never });

const RESULT = { content: { case: "toolResult", value: { callId: "c1", text: "ok" } } };
const TOOL_CALL = {
  content: { case: "toolCall", value: { callId: "c1", name: "look", argumentsJson: "{}" } },
};
const PART = "messages[0].parts[0]";

test("a request becomes a turn of its agent, session, request and trace", () => {
  expect(parse({ requireGeneration: true, maxWait: durationFromMs(1_500) })).toMatchObject({
    tenant: "t1",
    agentId: "main",
    session: SESSION,
    requiredGeneration: 2n,
    onConflict: undefined,
    requestId: "r1",
    traceId: "0af7651916cd43dd8448eb211c80319c",
    maxWaitMs: 1_500,
    parameters: "{}",
  });
  const stateless = parse({ target: { case: "statelessAgentId", value: "main" } });
  expect(stateless).toMatchObject({ agentId: "main", session: undefined });
});

describe("what is refused, and which field is named", () => {
  test.each<[string, Init, string, string | undefined]>([
    ["no key", { idempotencyKey: "" }, "INVALID_REQUEST", "idempotency_key"],
    ["a key with a space", { idempotencyKey: "a b" }, "INVALID_REQUEST", "idempotency_key"],
    ["a long key", { idempotencyKey: "k".repeat(256) }, "INVALID_REQUEST", "idempotency_key"],
    ["no fingerprint", { fingerprint: new Uint8Array() }, "INVALID_REQUEST", "fingerprint"],
    ["a long fingerprint", { fingerprint: new Uint8Array(65) }, "INVALID_REQUEST", "fingerprint"],
    ["no target", { target: { case: undefined } }, "INVALID_REQUEST", "session"],
    ["a raw key", session({ sessionKey: "test" }), "MALFORMED_KEY", "session.session_key"],
    [
      "a key to be folded",
      session({ sessionKey: "Agent:main:x" }),
      "MALFORMED_KEY",
      "session.session_key",
    ],
    [
      "a long session key",
      session({ sessionKey: `agent:main:${"x".repeat(1_024)}` }),
      "KEY_TOO_LONG",
      "session.session_key",
    ],
    ["an id that is none", session({ sessionId: "x" }), "INVALID_REQUEST", "session.session_id"],
    ["generation 0", session({ generation: 0n }), "INVALID_REQUEST", "session.generation"],
    [
      "an agent that is none",
      { target: { case: "statelessAgentId", value: "A b" } },
      "INVALID_REQUEST",
      "stateless_agent_id",
    ],
    ["no class", { turnClass: 0 }, "INVALID_REQUEST", "turn_class"],
    ["an unknown class", { turnClass: 9 as never }, "INVALID_REQUEST", "turn_class"],
    ["an unknown conflict rule", { onConflict: 99 as never }, "INVALID_REQUEST", "on_conflict"],
    ["no messages", { messages: [] }, "INVALID_REQUEST", "messages"],
    [
      "too many messages",
      { messages: Array.from({ length: 1_001 }, () => textMessage(Role.USER, "x")) },
      "INVALID_REQUEST",
      "messages",
    ],
    [
      "a message without a role",
      message({ role: 0, parts: [{ content: text("x") }] }),
      "INVALID_REQUEST",
      "messages[0].role",
    ],
    ["a message without parts", message({ parts: [] }), "INVALID_REQUEST", "messages[0].parts"],
    ["a part without content", message({ parts: [{}] }), "INVALID_REQUEST", "messages[0].parts[0]"],
    [
      "too many parts",
      message({ parts: Array.from({ length: 257 }, () => ({ content: text("x") })) }),
      "INVALID_REQUEST",
      "messages[0].parts",
    ],
    ["a tool's result that a person says", message({ parts: [RESULT] }), "INVALID_REQUEST", PART],
    ["a call that a person makes", message({ parts: [TOOL_CALL] }), "INVALID_REQUEST", PART],
    ["a result of the agent's", message({ role: 3, parts: [RESULT] }), "INVALID_REQUEST", PART],
    [
      "a tool without a result",
      message({ role: 4, parts: [{ content: text("x") }] }),
      "INVALID_REQUEST",
      PART,
    ],
    [
      "a long sender",
      message({ senderId: "s".repeat(257), parts: [{ content: text("x") }] }),
      "INVALID_REQUEST",
      "messages[0].sender_id",
    ],
    [
      "a file from a disk",
      file({ case: "uri", value: "file:///etc/passwd" }),
      "INVALID_REQUEST",
      "messages[0].parts[0].file.uri",
    ],
    [
      "a large file",
      file({ case: "data", value: new Uint8Array(1024 * 1024 + 1) }),
      "PAYLOAD_TOO_LARGE",
      undefined,
    ],
    [
      "a route without a session",
      { target: { case: "statelessAgentId", value: "main" }, routeId: "r1" },
      "INVALID_REQUEST",
      "route_id",
    ],
    ["a wait of nothing", { maxWait: durationFromMs(0) }, "INVALID_REQUEST", "max_wait"],
    [
      "large parameters",
      { parameters: { x: "x".repeat(256 * 1024) } },
      "PAYLOAD_TOO_LARGE",
      undefined,
    ],
    ["a long source", { origin: { source: "s".repeat(101) } }, "INVALID_REQUEST", "origin.source"],
  ])("%s", (_what, overrides, reason, field) => {
    expect(refusalOf(overrides)).toEqual([reason, field]);
  });

  test("an agent that the credential is not confined to", () => {
    expect(refusalOf({}, { ...CALL, agents: ["other"] } as CallContext)[0]).toBe(
      "PERMISSION_DENIED",
    );
  });
});

function session(overrides: object): Init {
  return { target: { case: "session", value: { ...SESSION, ...overrides } } };
}

function text(value: string) {
  return { case: "text" as const, value };
}

function file(source: object): Init {
  return message({ parts: [{ content: { case: "file", value: { source } } }] });
}

test("the system's lanes take no turns of outside credentials, nor those of peers of who is no adapter", () => {
  const keyOf = (sessionKey: string): Init => ({
    target: { case: "session", value: { ...SESSION, sessionKey } },
  });
  const as = (...scopes: string[]): CallContext => ({ ...CALL, scopes }) as CallContext;
  const field = "session.session_key";
  for (const rest of ["cron:nightly", "subagent:1", "Heartbeat", "\uFF28ook:1"]) {
    const init = keyOf(`agent:main:${rest}`);
    expect(refusalOf(init, as("adapter"))).toEqual(["RESERVED_NAMESPACE", field]);
    expect(parse(init).agentId).toBe("main");
  }
  const peers = keyOf("agent:main:telegram:direct:1");
  expect(refusalOf(peers, as("chat"))).toEqual(["PERMISSION_DENIED", field]);
  expect(parse(peers, as("adapter")).agentId).toBe("main");
});
