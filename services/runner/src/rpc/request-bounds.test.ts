import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { AgentConfigSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import {
  AttachTurnRequestSchema,
  CancelTurnRequestSchema,
  FindTurnRequestSchema,
  ListTurnsRequestSchema,
  SubmitTurnRequestSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { type CallContext, LanekeeperError } from "@lanekeeper/rpc";
import { expect, test } from "vitest";
import { textMessage } from "../domain/context.ts";
import { MAX_STREAM_SEQ } from "../domain/stream-seq.ts";
import type { RunnerContext } from "../context.ts";
import { LIMITS } from "../limits.ts";
import { attachTurn } from "./attach-turn.ts";
import { cancelTurn } from "./cancel-turn.ts";
import { findTurn } from "./find-turn.ts";
import { listTurns } from "./list-turns.ts";
import { parseAgents, parseRunBound } from "./parse-agents.ts";
import { parseSubmit } from "./parse-submit.ts";

type Submit = MessageInitShape<typeof SubmitTurnRequestSchema>;
type Agent = MessageInitShape<typeof AgentConfigSchema>;

const CALL = {
  ...{ tenant: "t1", principal: "p1", requestId: "r", scopes: [], agents: [], keyPrefixes: [] },
  peer: { kind: "service", service: "ingress" },
} as unknown as CallContext;
const SESSION = {
  sessionKey: "agent:main:x",
  sessionId: "018f0000-0000-7000-8000-000000000000",
  generation: 1n,
};
const TURN = { turnId: "018f0000-0000-7000-8000-000000000000" };
const NOWHERE = {} as RunnerContext;
const NO_STORE = { deps: {} } as RunnerContext;

function submit(overrides: Submit): void {
  const request = create(SubmitTurnRequestSchema, {
    target: { case: "session", value: SESSION },
    turnClass: TurnClass.PERSON,
    idempotencyKey: "k",
    fingerprint: new Uint8Array([1]),
    messages: [textMessage(Role.USER, "x")],
    ...overrides,
  } as Submit);
  parseSubmit(request, CALL);
}

function origin(value: Submit["origin"] & object): () => void {
  return () => submit({ origin: value });
}

function agent(overrides: Agent): () => void {
  const model = { provider: { case: "scripted" as const, value: {} } };
  return () => {
    parseAgents([create(AgentConfigSchema, { agentId: "main", model, ...overrides } as Agent)]);
  };
}

const text = (chars: number): string => "x".repeat(chars);
const many = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n));
const mcp = (name: string, more: { args?: string[]; tools?: string[] } = {}) => ({
  name,
  transport: { case: "stdio" as const, value: { command: "c", args: more.args ?? [] } },
  tools: more.tools ?? [],
});

/** What is one above each bound, the field that is named, and the bound. */
const ABOVE: readonly [string, () => unknown, number | bigint][] = [
  [
    "messages",
    () => submit({ messages: many(1_001, () => textMessage(Role.USER, "x")) }),
    LIMITS.messagesPerRequest,
  ],
  ["idempotency_key", () => submit({ idempotencyKey: text(256) }), LIMITS.idempotencyKeyChars],
  ["fingerprint", () => submit({ fingerprint: new Uint8Array(65) }), LIMITS.fingerprintBytes],
  ["route_id", () => submit({ routeId: text(129) }), LIMITS.routeIdBytes],
  ["origin.source", origin({ source: text(101) }), LIMITS.sourceBytes],
  ["origin.raw_key", origin({ rawKey: text(1_025) }), LIMITS.rawKeyBytes],
  ["origin.sender_id", origin({ senderId: text(257) }), LIMITS.senderIdBytes],
  ["origin.external_message_id", origin({ externalMessageId: text(513) }), LIMITS.externalIdBytes],
  ["origin.group_quiet", origin({ groupQuiet: durationFromMs(10_001) }), LIMITS.maxGroupQuietMs],
  ["parameters", () => submit({ parameters: { x: text(262_144) } }), LIMITS.parametersBytes],
  [
    "max_wait",
    () => submit({ maxWait: { seconds: 2n ** 63n - 1n, nanos: 0 } }),
    Number.MAX_SAFE_INTEGER,
  ],
  ["debounce", () => submit({ debounce: durationFromMs(3_600_001) }), LIMITS.maxDebounceMs],
  [
    "note",
    () => {
      const { sessionId: turnId } = SESSION;
      const request = create(CancelTurnRequestSchema, { turnId, note: text(501) });
      return cancelTurn(NOWHERE)(request, CALL);
    },
    LIMITS.noteChars,
  ],
  [
    "idempotency_key",
    () => findTurn(NOWHERE)(create(FindTurnRequestSchema, { idempotencyKey: text(256) }), CALL),
    LIMITS.idempotencyKeyChars,
  ],
  [
    "after_stream_seq",
    () => {
      const request = create(AttachTurnRequestSchema, { afterStreamSeq: MAX_STREAM_SEQ + 1n });
      return attachTurn(NOWHERE)(request, CALL)[Symbol.asyncIterator]().next();
    },
    MAX_STREAM_SEQ,
  ],
  [
    "agents",
    () => parseAgents(many(1_001, (n) => create(AgentConfigSchema, { agentId: `a${n}` }))),
    LIMITS.agentsPerTenant,
  ],
  [
    "max_concurrent_runs",
    () => parseRunBound("max_concurrent_runs", 1_000_001),
    LIMITS.maxConcurrentRuns,
  ],
  ["agents[0].system_prompt", agent({ systemPrompt: text(65_537) }), LIMITS.systemPromptBytes],
  ["agents[0].tools", agent({ tools: many(129, () => "session_status") }), LIMITS.toolsPerAgent],
  [
    "agents[0].context_token_budget",
    agent({ contextTokenBudget: 10_000_001 }),
    LIMITS.maxContextTokenBudget,
  ],
  [
    "agents[0].model_silence_timeout",
    agent({ modelSilenceTimeout: durationFromMs(3_600_001) }),
    LIMITS.maxModelSilenceMs,
  ],
  ["agents[0].debounce", agent({ debounce: durationFromMs(3_600_001) }), LIMITS.maxDebounceMs],
  [
    "agents[0].busy_hint_after",
    agent({ busyHintAfter: durationFromMs(3_600_001) }),
    LIMITS.maxBusyHintMs,
  ],
  [
    "agents[0].max_concurrent_runs",
    agent({ maxConcurrentRuns: 1_000_001 }),
    LIMITS.maxConcurrentRuns,
  ],
  [
    "agents[0].max_waiting_turns",
    agent({ maxWaitingTurns: 10_001 }),
    LIMITS.maxWaitingTurnsPerLane,
  ],
  [
    "agents[0].nested_turns_per_request",
    agent({ nestedTurnsPerRequest: 10_001 }),
    LIMITS.maxNestedTurnsPerRequest,
  ],
  [
    "agents[0].compaction.at_percent",
    agent({ compaction: { atPercent: 9 } }),
    LIMITS.minCompactAtPercent,
  ],
  [
    "agents[0].compaction.at_percent",
    agent({ compaction: { atPercent: 96 } }),
    LIMITS.maxCompactAtPercent,
  ],
  [
    "agents[0].tool_limits.timeout",
    agent({ toolLimits: { timeout: durationFromMs(999) } }),
    LIMITS.minToolMs,
  ],
  [
    "agents[0].tool_limits.timeout",
    agent({ toolLimits: { timeout: durationFromMs(3_600_001) } }),
    LIMITS.maxToolMs,
  ],
  [
    "agents[0].tool_limits.output_bytes",
    agent({ toolLimits: { outputBytes: 1_023 } }),
    LIMITS.minToolOutputBytes,
  ],
  [
    "agents[0].tool_limits.output_bytes",
    agent({ toolLimits: { outputBytes: 1_048_577 } }),
    LIMITS.maxToolOutputBytes,
  ],
  [
    "agents[0].tool_limits.steps_per_turn",
    agent({ toolLimits: { stepsPerTurn: 1_001 } }),
    LIMITS.maxToolStepsPerTurn,
  ],
  [
    "agents[0].mcp_servers",
    agent({ mcpServers: many(17, (n) => mcp(`s${n}`)) }),
    LIMITS.mcpServersPerAgent,
  ],
  [
    "agents[0].mcp_servers[0].stdio",
    agent({ mcpServers: [mcp("s", { args: [text(16_384)] })] }),
    LIMITS.mcpCommandBytes,
  ],
  [
    "agents[0].mcp_servers[0].tools",
    agent({ mcpServers: [mcp("s", { tools: many(129, (n) => `t${n}`) })] }),
    LIMITS.toolsPerAgent,
  ],
];

test.each(ABOVE)(
  "%s above its bound is refused, and the error names both",
  async (field, work, bound) => {
    const error: unknown = await Promise.resolve()
      .then(work)
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(LanekeeperError);
    const { reason, message } = error as LanekeeperError;
    expect(["INVALID_REQUEST", "PAYLOAD_TOO_LARGE"]).toContain(reason);
    expect(message).toContain(field);
    expect(message).toContain(String(bound));
  },
);

test.each([
  [
    "note",
    () => cancelTurn(NOWHERE)(create(CancelTurnRequestSchema, { ...TURN, note: "a\0" }), CALL),
  ],
  [
    "request_id",
    () => listTurns(NO_STORE)(create(ListTurnsRequestSchema, { requestId: "\0" }), CALL),
  ],
  ["trace_id", () => listTurns(NO_STORE)(create(ListTurnsRequestSchema, { traceId: "\0" }), CALL)],
])("%s with a NUL character, which the database cannot hold, is refused", async (field, call) => {
  await expect(call()).rejects.toMatchObject({ reason: "INVALID_REQUEST", metadata: { field } });
});
