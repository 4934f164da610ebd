import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  DeliverySchema,
  DeliveryState,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { Decision, JournalEntrySchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/journal";
import {
  RotationReason,
  RotationSchema,
  RunOutcome,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { RequestSchema } from "@lanekeeper/protocol/lanekeeper/ingress/v1/ingress_service";
import {
  Disposition,
  OnConflict,
  TurnSchema,
  TurnState,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { expect, test } from "vitest";
import { eventsOf } from "./events.ts";

const at = (ms: number) => timestampFromMs(1_700_000_000_000 + ms);
const session = { sessionKey: "agent:main:a", sessionId: "s1", generation: 3n };
const fence = (runId: string, runEpoch: bigint, generation = 3n) => ({
  session: { ...session, generation },
  runId,
  runEpoch,
});

const found = {
  requests: [
    create(RequestSchema, {
      requestId: "r1",
      route: "POST /v1/chat/completions",
      rawKey: "a",
      principal: "bootstrap",
      status: 200,
      disposition: "queued",
      createTime: at(0),
      endTime: at(900),
    }),
  ],
  turns: [
    create(TurnSchema, {
      turnId: "t1",
      sessionKey: "agent:main:a",
      state: TurnState.COMPLETED,
      disposition: Disposition.QUEUED,
      onConflict: OnConflict.ENQUEUE,
      laneSeq: 7n,
      routeId: "route1",
      acceptTime: at(10),
      endTime: at(800),
      runs: [
        {
          runId: "run1",
          session,
          runEpoch: 4n,
          replica: "host-1",
          startTime: at(100),
          model: "gpt",
        },
        {
          runId: "run2",
          session,
          runEpoch: 5n,
          replica: "host-2",
          startTime: at(400),
          endTime: at(790),
          outcome: RunOutcome.COMPLETED,
        },
      ],
    }),
  ],
  journal: [
    create(JournalEntrySchema, {
      entryId: 2n,
      operation: "run_ended",
      decision: Decision.REFUSED,
      reason: "TAKEN_OVER",
      errorMessage: "another run holds the key",
      createTime: at(500),
      source: "runner",
      shown: fence("run1", 4n),
      current: fence("run2", 5n),
      count: 3,
    }),
    create(JournalEntrySchema, {
      entryId: 1n,
      operation: "begin_run",
      decision: Decision.ACCEPTED,
      createTime: at(99),
      sessionId: "s1",
      generation: 3n,
      current: fence("run1", 4n),
      count: 1,
    }),
  ],
  rotations: [
    create(RotationSchema, {
      previous: { ...session, generation: 2n },
      current: session,
      reason: RotationReason.RESET,
      principal: "ops",
      note: "asked to",
      createTime: at(20),
    }),
  ],
  deliveries: [
    create(DeliverySchema, {
      deliveryId: "d1",
      routeId: "route1",
      routeSeq: 2n,
      state: DeliveryState.SENT,
      attemptCount: 2,
      lastError: "HTTP 500",
      createTime: at(810),
      endTime: at(890),
    }),
  ],
};

test("one request is told in the order of time, from receipt to what the caller was told", () => {
  expect(eventsOf(found).map(({ service, what }) => `${service}: ${what}`)).toEqual([
    'ingress: received POST /v1/chat/completions for "a" by bootstrap (request r1)',
    "runner: accepted as turn t1 (QUEUED) in the lane of agent:main:a, number 7, on conflict ENQUEUE, the reply also goes to route route1",
    "session-identity: RESET by ops: generation 2 became 3: asked to",
    "session-identity: begin_run accepted: session s1, generation 3, run run1, epoch 4",
    "runner: run run1 began under session s1, generation 3, epoch 4, on host-1, asking gpt",
    "runner: run run2 began under session s1, generation 3, epoch 5, on host-2, attempt 2",
    "session-identity: run_ended by runner refused: TAKEN_OVER: another run holds the key; shown generation 3, epoch 4, run run1, current generation 3, epoch 5, run run2, 3 times",
    "runner: run run2 ended COMPLETED",
    "runner: turn t1 ended COMPLETED",
    "delivery: reply d1 enqueued on route route1, number 2",
    "delivery: reply d1: SENT after 2 attempts; last told: HTTP 500",
    "ingress: the caller was told 200, queued",
  ]);
});

test("a rejected request tells its reason, a coalesced turn where it went", () => {
  const rejected = create(RequestSchema, {
    route: "POST /v1/chat/completions",
    status: 409,
    disposition: "rejected",
    reason: "SESSION_BUSY",
    errorMessage: "a run holds the key",
    createTime: at(0),
    endTime: at(1),
  });
  const coalesced = create(TurnSchema, {
    turnId: "t2",
    state: TurnState.COALESCED,
    disposition: Disposition.COALESCED,
    intoTurnId: "t1",
    acceptTime: at(2),
    endTime: at(3),
  });
  const events = eventsOf({
    requests: [rejected],
    turns: [coalesced],
    journal: [],
    deliveries: [],
    rotations: [],
  });
  expect(events.map(({ what }) => what)).toEqual([
    "received POST /v1/chat/completions without a session key (request )",
    "the caller was told 409, rejected: SESSION_BUSY: a run holds the key",
    "accepted as turn t2 (COALESCED) without a session into turn t1",
    "turn t2 ended COALESCED into turn t1",
  ]);
});

test("a steered turn that was cancelled did not end in the one that it was handed to", () => {
  const turn = create(TurnSchema, {
    turnId: "t2",
    state: TurnState.CANCELLED,
    disposition: Disposition.STEERED,
    intoTurnId: "t1",
    acceptTime: at(2),
    endTime: at(3),
    errorReason: "TURN_CANCELLED",
    errorMessage: "the turn was cancelled: by ada",
  });
  const none = { requests: [], deliveries: [], journal: [], rotations: [] };
  expect(eventsOf({ ...none, turns: [turn] }).map(({ what }) => what)).toEqual([
    "accepted as turn t2 (STEERED) without a session into turn t1",
    "turn t2 ended CANCELLED: TURN_CANCELLED: the turn was cancelled: by ada",
  ]);
});

test("a run that was rotated away ended for its reason alone", () => {
  const turn = create(TurnSchema, {
    turnId: "t1",
    runs: [
      {
        runId: "run1",
        endTime: at(10),
        errorReason: "SUPERSEDED",
        errorMessage: "the session was rotated under the turn",
      },
    ],
  });
  const none = { requests: [], deliveries: [], journal: [], rotations: [] };
  expect(eventsOf({ ...none, turns: [turn] }).map(({ what }) => what)).toEqual([
    "run run1 ended: SUPERSEDED: the session was rotated under the turn",
  ]);
});

test("a reply that is to be tried again says so, and what went wrong last", () => {
  const waiting = create(DeliverySchema, {
    ...{ deliveryId: "d1", routeId: "route1", state: DeliveryState.PENDING, attemptCount: 2 },
    ...{ lastError: "HTTP 500", nextAttemptTime: at(900) },
  });
  const none = { requests: [], turns: [], journal: [], rotations: [] };
  expect(eventsOf({ ...none, deliveries: [waiting] }).map(({ what }) => what)).toEqual([
    "reply d1: PENDING after 2 attempts, will be tried at this time; last told: HTTP 500",
  ]);
});
