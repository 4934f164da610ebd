import { describe, expect, test } from "vitest";
import {
  beginCommand,
  ended,
  KEY,
  progress,
  rotateCommand,
  runId,
  sending,
  settled,
  writeCommand,
} from "../testing/commands.ts";
import { Desk } from "../testing/desk.ts";
import type { BeginAnswer } from "./begin-run.ts";
import type { Fence, ReplyFence } from "./records.ts";
import { isRefusal, type Refusal } from "./refusal.ts";
import type { RotateAnswer } from "./rotate.ts";

function newDesk(): Desk {
  const desk = new Desk();
  desk.reserve();
  return desk;
}

function granted<Answer>(answer: Answer | Refusal): Answer {
  if (isRefusal(answer)) throw new Error(`refused: ${answer.reason}`);
  return answer;
}

function reasonOf(answer: unknown): string {
  return isRefusal(answer) ? answer.reason : "accepted";
}

function began(
  desk: Desk,
  run: number,
  change: Parameters<typeof beginCommand>[1] = {},
): BeginAnswer {
  return granted(desk.begin(beginCommand(run, { acceptMs: desk.nowMs, ...change })));
}

function rotated(desk: Desk, change: Parameters<typeof rotateCommand>[0] = {}): RotateAnswer {
  return granted(desk.rotate(rotateCommand(change)));
}

function compacted(desk: Desk, fence: Fence): Fence {
  const precondition = { kind: "owner", fence } as const;
  const { fence: next } = rotated(desk, {
    ...{ reason: "compaction", precondition, pendingReplies: "deliver" },
  });
  if (next === undefined) throw new Error("the owner gets a fence");
  return next;
}

describe("begin", () => {
  test("a live lease refuses another run and tells how long to wait", () => {
    const desk = newDesk();
    began(desk, 1);
    desk.nowMs += 4_000;
    const refused = desk.begin(beginCommand(2));
    expect(refused).toMatchObject({
      reason: "SESSION_BUSY",
      retryAfterMs: 11_000,
      busy: { holder: { runId: runId(1) }, heartbeatAgeMs: 4_000 },
    });
  });

  test("an expired lease is taken over, and the one that lost it is told TAKEN_OVER, not STALE", () => {
    const desk = newDesk();
    const first = began(desk, 1);
    desk.nowMs += 15_000;
    const second = began(desk, 2);
    expect(second.takenOver?.runId).toBe(runId(1));
    expect(second.fence.runEpoch).toBe(2n);
    expect(desk.writeRun(progress(first.fence, 1n))).toMatchObject({
      reason: "TAKEN_OVER",
      stale: { current: { runId: runId(2), runEpoch: 2n } },
    });
    expect(reasonOf(desk.begin(beginCommand(1)))).toBe("TAKEN_OVER");
  });

  test("no lease expires within one lease of the database's start", () => {
    const desk = newDesk();
    began(desk, 1);
    desk.nowMs += 60_000;
    desk.postmasterStartMs = desk.nowMs - 14_999;
    expect(reasonOf(desk.begin(beginCommand(2)))).toBe("SESSION_BUSY");
    desk.nowMs += 1;
    expect(reasonOf(desk.begin(beginCommand(2)))).toBe("accepted");
  });

  test("a heartbeat counts the lease anew", () => {
    const desk = newDesk();
    const { fence } = began(desk, 1);
    desk.nowMs += 14_000;
    granted(desk.writeRun(progress(fence, 1n)));
    desk.nowMs += 14_000;
    expect(reasonOf(desk.begin(beginCommand(2)))).toBe("SESSION_BUSY");
  });

  test("a run id that began never begins again", () => {
    const desk = newDesk();
    const { fence } = began(desk, 1);
    expect(granted(desk.begin(beginCommand(1))).fence).toEqual(fence);
    granted(desk.writeRun(ended(fence)));
    expect(desk.begin(beginCommand(1))).toMatchObject({
      reason: "RUN_ENDED",
      metadata: { outcome: "COMPLETED" },
    });
  });

  test("the same run id for another turn is IDEMPOTENCY_MISMATCH", () => {
    const desk = newDesk();
    began(desk, 1);
    expect(reasonOf(desk.begin(beginCommand(1, { turnId: "turn-x" })))).toBe(
      "IDEMPOTENCY_MISMATCH",
    );
  });

  test("turns that a rotation told to skip do not start; those it carried do", () => {
    const desk = newDesk();
    rotated(desk, { queuedTurns: "carry" });
    expect(reasonOf(desk.begin(beginCommand(1, { admittedGeneration: 1n })))).toBe("accepted");
    rotated(desk, { queuedTurns: "skip" });
    expect(desk.begin(beginCommand(2, { admittedGeneration: 2n }))).toMatchObject({
      reason: "TURN_SKIPPED",
      metadata: { oldest_runnable_generation: "3" },
    });
    expect(reasonOf(desk.begin(beginCommand(3, { admittedGeneration: 3n })))).toBe("accepted");
  });

  test("a required generation that is not current is GENERATION_MISMATCH", () => {
    const desk = newDesk();
    rotated(desk);
    expect(reasonOf(desk.begin(beginCommand(1, { requiredGeneration: 1n })))).toBe(
      "GENERATION_MISMATCH",
    );
    expect(reasonOf(desk.begin(beginCommand(1, { requiredGeneration: 2n })))).toBe("accepted");
  });
});

describe("rollover", () => {
  function idleDesk(): Desk {
    const desk = newDesk();
    desk.policy = { idleAfterMs: 60_000, dailyAt: "", timeZone: "UTC" };
    granted(desk.writeRun(ended(began(desk, 1).fence)));
    desk.nowMs += 60_000;
    return desk;
  }

  test("a person's message after the idle time begins a new generation without a parent", () => {
    const desk = idleDesk();
    const { rolledOver, fence } = began(desk, 2);
    expect(rolledOver).toMatchObject({
      reason: "idle",
      parentSessionId: undefined,
      generation: 2n,
    });
    expect(fence.generation).toBe(2n);
    expect(desk.standing.session.lastRun).toBeUndefined();
  });

  test("a system turn neither rolls over nor keeps the session fresh", () => {
    const desk = idleDesk();
    const system = began(desk, 2, { turnClass: "system" });
    expect(system.rolledOver).toBeUndefined();
    granted(desk.writeRun(ended(system.fence)));
    expect(began(desk, 3).rolledOver?.reason).toBe("idle");
  });

  test("is judged by when the message was accepted, not by how long it waited", () => {
    const desk = idleDesk();
    expect(began(desk, 2, { acceptMs: desk.nowMs - 1 }).rolledOver).toBeUndefined();
  });

  test("never twice for one turn: its second run goes on in the new generation", () => {
    const desk = idleDesk();
    const accepted = desk.nowMs;
    began(desk, 2, { turnId: "t", acceptMs: accepted });
    desk.nowMs += 600_000;
    const second = began(desk, 3, { turnId: "t", acceptMs: accepted });
    expect(second).toMatchObject({ rolledOver: undefined, takenOver: { runId: runId(2) } });
    granted(desk.writeRun(ended(second.fence, "requeued")));
    desk.nowMs += 600_000;
    expect(began(desk, 4, { turnId: "t", acceptMs: accepted }).rolledOver).toBeUndefined();
  });

  test("never under a run, not even one whose lease has run out", () => {
    const desk = newDesk();
    desk.policy = { idleAfterMs: 60_000, dailyAt: "", timeZone: "UTC" };
    began(desk, 1);
    desk.nowMs += 600_000;
    expect(began(desk, 2)).toMatchObject({ rolledOver: undefined, takenOver: { runId: runId(1) } });
  });

  test("a long answer is no silence", () => {
    const desk = newDesk();
    desk.policy = { idleAfterMs: 60_000, dailyAt: "", timeZone: "UTC" };
    const { fence } = began(desk, 1);
    desk.nowMs += 600_000;
    granted(desk.writeRun(ended(fence)));
    desk.nowMs += 59_000;
    expect(began(desk, 2).rolledOver).toBeUndefined();
  });

  test("the first message to a name that was looked up long ago opens no second generation", () => {
    const desk = newDesk();
    desk.policy = { idleAfterMs: 60_000, dailyAt: "", timeZone: "UTC" };
    desk.nowMs += 600_000;
    expect(began(desk, 1).rolledOver).toBeUndefined();
  });

  test("who states the generation goes on in it", () => {
    const desk = idleDesk();
    expect(began(desk, 2, { requiredGeneration: 1n }).rolledOver).toBeUndefined();
  });
});

describe("a run's events", () => {
  test("the owner keeps its right across its own rotation, late heartbeats included", () => {
    const desk = newDesk();
    const first = began(desk, 1).fence;
    const second = compacted(desk, first);
    expect(second).toMatchObject({ runId: first.runId, runEpoch: first.runEpoch, generation: 2n });
    expect(desk.standing.session.parentSessionId).toBe(first.sessionId);
    expect(granted(desk.writeRun(progress(first, 1n))).applied).toBe(true);
    expect(granted(desk.writeRun(progress(second, 2n))).applied).toBe(true);
    const third = compacted(desk, second);
    expect(granted(desk.writeRun(progress(first, 3n))).applied).toBe(true);
    expect(granted(desk.writeRun(ended(third))).applied).toBe(true);
  });

  test("another's rotation ends the run's right at once and frees the key", () => {
    const desk = newDesk();
    const { fence } = began(desk, 1);
    const held = compacted(desk, fence);
    expect(rotated(desk).endedRun?.runId).toBe(runId(1));
    for (const shown of [fence, held]) {
      expect(desk.writeRun(progress(shown, 1n))).toMatchObject({
        reason: "STALE_GENERATION",
        stale: { current: { generation: 3n, runId: "" }, causeQuery: { into: 3n } },
      });
    }
    expect(reasonOf(desk.begin(beginCommand(1)))).toBe("STALE_GENERATION");
    expect(reasonOf(desk.begin(beginCommand(2)))).toBe("accepted");
  });

  test("a repeat gets its recorded answer, whatever happened since", () => {
    const desk = newDesk();
    const { fence } = began(desk, 1);
    const beat = granted(desk.writeRun(progress(fence, 4n)));
    const end = granted(desk.writeRun(ended(fence)));
    rotated(desk);
    expect(desk.writeRun(progress(fence, 4n))).toEqual(beat);
    expect(desk.writeRun(ended(fence))).toEqual(end);
  });

  test("a number that was used for other content is IDEMPOTENCY_MISMATCH", () => {
    const desk = newDesk();
    const { fence } = began(desk, 1);
    granted(desk.writeRun(progress(fence, 1n, "model")));
    expect(reasonOf(desk.writeRun(progress(fence, 1n, "tool")))).toBe("IDEMPOTENCY_MISMATCH");
  });

  test("gaps are legal, and a lower heartbeat that was not seen is dropped quietly", () => {
    const desk = newDesk();
    const { fence } = began(desk, 1);
    expect(granted(desk.writeRun(progress(fence, 10n))).applied).toBe(true);
    const before = desk.state;
    expect(granted(desk.writeRun(progress(fence, 9n))).applied).toBe(false);
    expect(desk.state).toBe(before);
  });

  test("a heartbeat renews the lease and tells no watcher", () => {
    const desk = newDesk();
    const { fence, state } = began(desk, 1);
    desk.nowMs += 1_000;
    expect(granted(desk.writeRun(progress(fence, 1n))).revision).toBe(state.revision);
    expect(desk.standing.session.activeRun?.heartbeatMs).toBe(desk.nowMs);
  });

  test("one ending: the first wins, an equal one repeats it, another is told the recorded outcome", () => {
    const desk = newDesk();
    const { fence } = began(desk, 1);
    granted(desk.writeRun(ended(fence, "failed")));
    expect(desk.writeRun(ended(fence, "completed"))).toMatchObject({
      reason: "RUN_ENDED",
      metadata: { outcome: "FAILED" },
    });
    expect(reasonOf(desk.writeRun(progress(fence, 9n)))).toBe("RUN_ENDED");
    expect(desk.standing.session).toMatchObject({
      activeRun: undefined,
      lastRun: { outcome: "failed" },
    });
  });

  test("started tells the model, also when a heartbeat overtook it", () => {
    const desk = newDesk();
    const { fence } = began(desk, 1);
    granted(desk.writeRun(progress(fence, 2n)));
    granted(desk.writeRun(writeCommand(fence, 1n, { kind: "started", model: "m" })));
    expect(desk.standing.session.activeRun).toMatchObject({ model: "m", lastEventSeq: 2n });
  });

  test("a run that never began may write nothing", () => {
    const desk = newDesk();
    const { fence } = began(desk, 1);
    const stranger = { ...fence, runId: runId(9) };
    expect(reasonOf(desk.writeRun(progress(stranger, 1n)))).toBe("TAKEN_OVER");
    expect(reasonOf(desk.writeRun(progress({ ...fence, runEpoch: 7n }, 1n)))).toBe("TAKEN_OVER");
    const other = { ...fence, sessionId: "00000000-0000-7000-8000-00000000ffff" };
    expect(isRefusal(desk.writeRun(progress(other, 1n)))).toBe(true);
  });

  test("a merged key tells runs where its session went", () => {
    const desk = newDesk();
    const { fence } = began(desk, 1);
    const movedTo = "agent:main:other" as typeof KEY;
    desk.state = {
      ...desk.standing,
      movedTo,
      session: { ...desk.standing.session, activeRun: undefined },
    };
    expect(desk.writeRun(progress(fence, 1n))).toMatchObject({
      reason: "KEY_MOVED",
      metadata: { survivor_session_key: movedTo },
    });
    expect(reasonOf(desk.begin(beginCommand(2)))).toBe("KEY_MOVED");
    expect(reasonOf(desk.rotate(rotateCommand()))).toBe("KEY_MOVED");
  });
});

describe("rotate", () => {
  test("an expected generation that is not current changes nothing", () => {
    const desk = newDesk();
    const before = desk.state;
    const precondition = { kind: "generation", expected: 2n } as const;
    expect(desk.rotate(rotateCommand({ precondition }))).toMatchObject({
      reason: "GENERATION_MISMATCH",
      metadata: { generation: "1" },
    });
    expect(desk.state).toBe(before);
  });

  test("a lost owner may not rotate", () => {
    const desk = newDesk();
    const { fence } = began(desk, 1);
    rotated(desk);
    const precondition = { kind: "owner", fence } as const;
    expect(reasonOf(desk.rotate(rotateCommand({ reason: "compaction", precondition })))).toBe(
      "STALE_GENERATION",
    );
  });

  test("RESTORE takes a session of this key, FORK one of the agent", () => {
    const desk = newDesk();
    const source = { sessionKey: "agent:main:other", agentId: "main" };
    const sourceSessionId = "00000000-0000-7000-8000-0000000000ff";
    const asked = { sourceSessionId, pendingReplies: "deliver" } as const;
    expect(reasonOf(desk.rotate(rotateCommand({ reason: "restore", ...asked }), source))).toBe(
      "NOT_FOUND",
    );
    expect(reasonOf(desk.rotate(rotateCommand({ reason: "fork", ...asked })))).toBe("NOT_FOUND");
    const foreign = { ...source, agentId: "other" };
    expect(reasonOf(desk.rotate(rotateCommand({ reason: "fork", ...asked }), foreign))).toBe(
      "NOT_FOUND",
    );
    const forked = granted(desk.rotate(rotateCommand({ reason: "fork", ...asked }), source));
    expect(forked.rotation.parentSessionId).toBe(sourceSessionId);
  });
});

describe("replies", () => {
  function replyOf(desk: Desk, id: string): ReplyFence {
    const { sessionId, generation } = desk.standing.session;
    return { sessionKey: KEY, sessionId, generation, turnId: "t", deliveryId: id };
  }

  test("a reply goes out although the next run has begun", () => {
    const desk = newDesk();
    const reply = replyOf(desk, "d1");
    granted(desk.writeRun(ended(began(desk, 1).fence)));
    began(desk, 2);
    expect(reasonOf(desk.writeReply(sending(reply, 1n)))).toBe("accepted");
  });

  test("after a reset no send of the older generation is claimed; one claimed before is counted", () => {
    const desk = newDesk();
    const [claimed, waiting] = [replyOf(desk, "d1"), replyOf(desk, "d2")];
    granted(desk.writeReply(sending(claimed, 1n)));
    expect(rotated(desk).rotation.perhapsSentCount).toBe(1);
    expect(desk.writeReply(sending(waiting, 1n))).toMatchObject({
      reason: "STALE_GENERATION",
      stale: { causeQuery: { into: 2n } },
    });
    expect(reasonOf(desk.writeReply(settled(claimed, 2n, "sent")))).toBe("accepted");
    expect(reasonOf(desk.writeReply(settled(waiting, 2n, "suppressed_stale")))).toBe("accepted");
    expect(desk.replies.get("d2")?.state).toBe("suppressed_stale");
    expect(rotated(desk).rotation.perhapsSentCount).toBe(0);
  });

  test("once claimed a reply is never suppressed, at most unknown", () => {
    const desk = newDesk();
    const reply = replyOf(desk, "d1");
    granted(desk.writeReply(sending(reply, 1n)));
    granted(desk.writeReply(settled(reply, 2n, "suppressed_stale")));
    expect(desk.replies.get("d1")?.state).toBe("unknown");
  });

  test("a rotation that delivers what waits lets older replies go out", () => {
    const desk = newDesk();
    const reply = replyOf(desk, "d1");
    rotated(desk, { reason: "migration", pendingReplies: "deliver" });
    expect(reasonOf(desk.writeReply(sending(reply, 1n)))).toBe("accepted");
  });

  test("a lower number that was not seen counts as any other; a repeat gets its answer", () => {
    const desk = newDesk();
    const reply = replyOf(desk, "d1");
    const first = granted(desk.writeReply(sending(reply, 7n)));
    granted(desk.writeReply(settled(reply, 3n, "failed")));
    expect(desk.replies.get("d1")?.state).toBe("failed");
    rotated(desk);
    expect(desk.writeReply(sending(reply, 7n))).toEqual(first);
    expect(reasonOf(desk.writeReply(sending(reply, 7n, 2)))).toBe("IDEMPOTENCY_MISMATCH");
  });

  test("what was sent is not sent again", () => {
    const desk = newDesk();
    const reply = replyOf(desk, "d1");
    granted(desk.writeReply(sending(reply, 1n)));
    granted(desk.writeReply(settled(reply, 2n, "sent")));
    expect(reasonOf(desk.writeReply(sending(reply, 3n, 2)))).toBe("SUPERSEDED");
  });

  test("a delivery id stands for one reply", () => {
    const desk = newDesk();
    const reply = replyOf(desk, "d1");
    granted(desk.writeReply(sending(reply, 1n)));
    const other = { ...reply, turnId: "another" };
    expect(reasonOf(desk.writeReply(sending(other, 2n)))).toBe("IDEMPOTENCY_MISMATCH");
  });
});
