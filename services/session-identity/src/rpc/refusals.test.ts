import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { ReplyState } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import {
  RotationReason,
  RunOutcome,
  SessionBusySchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { ServiceName } from "@lanekeeper/rpc";
import { describe, expect, test } from "vitest";
import { begin, failure, fenceOf, newTenant } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { type IdentityClient, startReplica } from "../testing/identity.ts";

const database = testDatabase();
const KEY = "agent:main:chat";

async function start() {
  const replica = await startReplica(database.open());
  const tenant = await newTenant(replica.client("cli"));
  const as = (peer: ServiceName) => replica.client(peer, { tenant });
  await as("ingress").resolveSession({ name: { case: "rawKey", value: "chat" } });
  return { replica, tenant, as, runner: as("runner") };
}

const uuid = "0192f3a0-0000-7000-8000-000000000000";
const session = { sessionKey: KEY, sessionId: uuid, generation: 1n };
const run = { session, runId: uuid, runEpoch: 1n };
const reply = { session, turnId: "t", deliveryId: "d" };
const byRun = { case: "run", value: run } as const;
const byReply = { case: "reply", value: reply } as const;
const rotate = { requestId: "r", sessionKey: KEY, reason: RotationReason.RESET };
const ended = (value: object) =>
  ({ case: "ended", value: { outcome: RunOutcome.COMPLETED, ...value } }) as const;

/** proto3 keeps numbers that it does not know; here no enum has this one. */
const BEYOND = 99 as never;

type Case = readonly [field: string, call: (client: IdentityClient) => Promise<unknown>];

describe("a field out of its bounds is named", () => {
  const ofRunner: readonly Case[] = [
    ["name", (c) => c.resolveSession({})],
    [
      "agent_id",
      (c) => c.resolveSession({ agentId: "no agent", name: { case: "rawKey", value: "x" } }),
    ],
    ["peer.kind", (c) => c.resolveSession({ name: { case: "peer", value: { channel: "slack" } } })],
    [
      "expected_session_id",
      (c) => c.resolveSession({ name: { case: "rawKey", value: "x" }, expectedSessionId: "x" }),
    ],
    [
      "expected_generation",
      (c) => c.resolveSession({ name: { case: "rawKey", value: "x" }, expectedGeneration: -1n }),
    ],
    ["admitted_generation", (c) => c.beginRun(begin(KEY, { admittedGeneration: 0n }))],
    ["admitted_session_id", (c) => c.beginRun(begin(KEY, { admittedSessionId: "x" }))],
    ["turn_id", (c) => c.beginRun(begin(KEY, { turnId: "" }))],
    ["turn_id", (c) => c.beginRun(begin(KEY, { turnId: "x".repeat(129) }))],
    ["run_id", (c) => c.beginRun(begin(KEY, { runId: "x" }))],
    ["run_id", (c) => c.beginRun(begin(KEY, { runId: "01800000-0000-7000-8000-000000000000" }))],
    ["lease_duration", (c) => c.beginRun(begin(KEY, { leaseDuration: durationFromMs(999) }))],
    ["lease_duration", (c) => c.beginRun(begin(KEY, { leaseDuration: durationFromMs(300_001) }))],
    ["lease_duration", (c) => c.beginRun(begin(KEY, { leaseDuration: undefined }))],
    ["accept_time", (c) => c.beginRun(begin(KEY, { acceptTime: undefined }))],
    ["turn_class", (c) => c.beginRun(begin(KEY, { turnClass: TurnClass.UNSPECIFIED }))],
    ["turn_class", (c) => c.beginRun(begin(KEY, { turnClass: BEYOND }))],
    ["writer", (c) => c.writeLifecycle({})],
    ["event", (c) => c.writeLifecycle({ writer: byRun, eventSeq: 1n })],
    [
      "event",
      (c) =>
        c.writeLifecycle({
          writer: byRun,
          eventSeq: 1n,
          event: { case: "sending", value: { attempt: 1 } },
        }),
    ],
    [
      "event_seq",
      (c) => c.writeLifecycle({ writer: byRun, event: { case: "progress", value: {} } }),
    ],
    ["event_seq", (c) => c.writeLifecycle({ writer: byRun, eventSeq: 1n, event: ended({}) })],
    [
      "run.session",
      (c) => c.checkFence({ writer: { case: "run", value: { runId: uuid, runEpoch: 1n } } }),
    ],
    [
      "run.run_epoch",
      (c) => c.checkFence({ writer: { case: "run", value: { ...run, runEpoch: 0n } } }),
    ],
    [
      "run.session.generation",
      (c) =>
        c.checkFence({
          writer: { case: "run", value: { ...run, session: { ...session, generation: 0n } } },
        }),
    ],
    ["ended.outcome", (c) => c.writeLifecycle({ writer: byRun, event: ended({ outcome: 0 }) })],
    ["ended.outcome", (c) => c.writeLifecycle({ writer: byRun, event: ended({ outcome: 42 }) })],
    [
      "ended.error_reason",
      (c) => c.writeLifecycle({ writer: byRun, event: ended({ errorReason: "OOPS" }) }),
    ],
    [
      "ended.error_message",
      (c) => c.writeLifecycle({ writer: byRun, event: ended({ errorMessage: "x".repeat(501) }) }),
    ],
    [
      "ended.input_tokens",
      (c) => c.writeLifecycle({ writer: byRun, event: ended({ inputTokens: -1n }) }),
    ],
    [
      "started.model",
      (c) =>
        c.writeLifecycle({
          writer: byRun,
          eventSeq: 1n,
          event: { case: "started", value: { model: "x".repeat(201) } },
        }),
    ],
    [
      "progress.phase",
      (c) =>
        c.writeLifecycle({
          writer: byRun,
          eventSeq: 1n,
          event: { case: "progress", value: { phase: "\u0000" } },
        }),
    ],
    [
      "sending.attempt",
      (c) =>
        c.writeLifecycle({ writer: byReply, eventSeq: 1n, event: { case: "sending", value: {} } }),
    ],
    [
      "settled.state",
      (c) =>
        c.writeLifecycle({
          writer: byReply,
          eventSeq: 1n,
          event: { case: "settled", value: { state: ReplyState.UNSPECIFIED } },
        }),
    ],
    ["request_id", (c) => c.rotateSession({ ...rotate, requestId: "" })],
    ["request_id", (c) => c.rotateSession({ ...rotate, requestId: "a b" })],
    ["reason", (c) => c.rotateSession({ ...rotate, reason: RotationReason.UNSPECIFIED })],
    ["reason", (c) => c.rotateSession({ ...rotate, reason: RotationReason.IDLE })],
    ["reason", (c) => c.rotateSession({ ...rotate, reason: BEYOND })],
    ["queued_turns", (c) => c.rotateSession({ ...rotate, queuedTurns: BEYOND })],
    ["pending_replies", (c) => c.rotateSession({ ...rotate, pendingReplies: BEYOND })],
    ["note", (c) => c.rotateSession({ ...rotate, note: "x".repeat(501) })],
    [
      "expected_generation",
      (c) =>
        c.rotateSession({ ...rotate, precondition: { case: "expectedGeneration", value: 0n } }),
    ],
    [
      "owner.session.session_key",
      (c) =>
        c.rotateSession({
          ...rotate,
          precondition: {
            case: "owner",
            value: { ...run, session: { ...session, sessionKey: "agent:main:x" } },
          },
        }),
    ],
    ["source_session_id", (c) => c.rotateSession({ ...rotate, reason: RotationReason.FORK })],
    ["source_session_id", (c) => c.rotateSession({ ...rotate, sourceSessionId: uuid })],
    [
      "source_through_turn_id",
      (c) => c.rotateSession({ ...rotate, reason: RotationReason.REPLAY, sourceSessionId: uuid }),
    ],
    ["session", (c) => c.getSession({})],
    [
      "session_id",
      (c) => c.getSession({ session: { case: "sessionId", value: uuid.toUpperCase() } }),
    ],
    ["page_size", (c) => c.listSessions({ pageSize: 501 })],
    ["page_size", (c) => c.listSessions({ pageSize: -1 })],
    ["page_token", (c) => c.listSessions({ pageToken: "x" })],
    ["trace_id", (c) => c.listJournal({ traceId: "x" })],
  ];
  test("by the runner", async () => {
    const { runner } = await start();
    for (const each of ofRunner) await expectNamed(runner, each);
  });

  const ofOperators: readonly Case[] = [
    ["default_agent_id", (c) => c.applyKeyPolicies({ defaultAgentId: "main" })],
    ["policies", (c) => c.applyKeyPolicies({ policies: [{ agentId: "a" }, { agentId: "a" }] })],
    ["policies[0].agent_id", (c) => c.applyKeyPolicies({ policies: [{ agentId: "Main" }] })],
    [
      "policies[0].dm_scope",
      (c) => c.applyKeyPolicies({ policies: [{ agentId: "a", dmScope: BEYOND }] }),
    ],
    [
      "policies[0].idle_after",
      (c) => c.applyKeyPolicies({ policies: [{ agentId: "a", idleAfter: durationFromMs(0) }] }),
    ],
    [
      "policies[0].daily_at",
      (c) => c.applyKeyPolicies({ policies: [{ agentId: "a", dailyAt: "24:00" }] }),
    ],
    [
      "policies[0].time_zone",
      (c) => c.applyKeyPolicies({ policies: [{ agentId: "a", timeZone: "Mars/Base" }] }),
    ],
    [
      "source",
      (c) => c.registerKey({ name: { case: "rawKey", value: "x" }, source: "x".repeat(101) }),
    ],
    [
      "survivor_session_key",
      (c) => c.mergeSessions({ requestId: "r", sessionKey: KEY, survivorSessionKey: KEY }),
    ],
    [
      "person",
      (c) =>
        c.linkPeer({ peer: { channel: "email", kind: 1, peerId: "a@b.example" }, person: "A B" }),
    ],
    [
      "same_as",
      (c) =>
        c.registerEquivalence({
          peer: { channel: "x", kind: 1, peerId: "a" },
          sameAs: { channel: "x", kind: 1, peerId: "a" },
        }),
    ],
    [
      "same_as.channel",
      (c) =>
        c.registerEquivalence({
          peer: { channel: "x", kind: 1, peerId: "a" },
          sameAs: { channel: "y", kind: 1, peerId: "a" },
        }),
    ],
  ];
  test("by operators", async () => {
    const { as } = await start();
    for (const each of ofOperators) await expectNamed(as("cli"), each);
  });
});

async function expectNamed(client: IdentityClient, [field, call]: Case): Promise<void> {
  const error = await failure(call(client));
  expect(error, field).toMatchObject({ reason: "INVALID_REQUEST", fieldViolations: [{ field }] });
}

test("a session_key that is not canonical is refused rather than fixed up", async () => {
  const { runner } = await start();
  for (const sessionKey of ["chat", "agent:Main:chat", "agent:main:MAIN", "agent:main:"]) {
    const error = await failure(runner.beginRun(begin(sessionKey)));
    expect(error.reason, sessionKey).toBe("MALFORMED_KEY");
  }
});

test("SESSION_BUSY tells who holds the key and for how long to wait", async () => {
  const { runner } = await start();
  const { runId } = fenceOf(await runner.beginRun(begin(KEY)));
  const error = await failure(runner.beginRun(begin(KEY)));
  expect(error.reason).toBe("SESSION_BUSY");
  expect(error.detail(SessionBusySchema)?.holder?.runId).toBe(runId);
  expect(error.retryAfterMs).toBeGreaterThan(1_000);
  expect(error.retryAfterMs).toBeLessThanOrEqual(15_000);
});

describe("who may call what", () => {
  test("only the runner begins runs, and only the cli raises fences", async () => {
    const { as } = await start();
    for (const peer of ["ingress", "delivery", "cli"] as const) {
      expect((await failure(as(peer).beginRun(begin(KEY)))).reason).toBe("PERMISSION_DENIED");
    }
    for (const peer of ["ingress", "runner", "delivery"] as const) {
      const error = await failure(as(peer).raiseFences({ requestId: "r" }));
      expect(error.reason).toBe("PERMISSION_DENIED");
    }
  });

  test("a run's events are the runner's to write, a reply's are delivery's", async () => {
    const { as } = await start();
    const progress = { case: "progress", value: {} } as const;
    const sending = { case: "sending", value: { attempt: 1 } } as const;
    const byDelivery = as("delivery").writeLifecycle({
      writer: byRun,
      eventSeq: 1n,
      event: progress,
    });
    expect((await failure(byDelivery)).reason).toBe("PERMISSION_DENIED");
    const byRunner = as("runner").writeLifecycle({ writer: byReply, eventSeq: 1n, event: sending });
    expect((await failure(byRunner)).reason).toBe("PERMISSION_DENIED");
  });
});
