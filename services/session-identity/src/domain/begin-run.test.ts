import { describe, expect, test } from "vitest";
import { beginCommand, ended, progress, runId } from "../testing/commands.ts";
import { newDesk, granted, reasonOf, began, rotated } from "../testing/desk-steps.ts";

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

  test("once fences were raised a run id that nobody knows begins only if it was minted for later", () => {
    const desk = newDesk();
    const known = began(desk, 1);
    desk.runIdsFromMs = 5_000;
    const of = (ms: string) => beginCommand(2, { runId: `00000000-${ms}-7000-9000-000000000002` });
    // The run that holds the key is known: a repeat of it is one.
    expect(desk.begin(beginCommand(1))).toMatchObject({ fence: known.fence });
    desk.nowMs += 15_000;
    expect(desk.begin(of("1387"))).toMatchObject({
      reason: "RUN_ENDED",
      metadata: { run_ids_from: "1970-01-01T00:00:05.000Z" },
    });
    expect(
      desk.begin({ ...of("ffff"), runId: "00000000-ffff-4000-9000-000000000002" }),
    ).toMatchObject({
      reason: "RUN_ENDED",
    });
    expect(reasonOf(desk.begin(of("1388")))).toBe("accepted");
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

  test("a turn of a session that never stood under the key is GENERATION_MISMATCH", () => {
    const desk = newDesk();
    const [first, other] = [desk.standing.session.sessionId, runId(99)];
    const asks = (run: number, admittedGeneration: bigint, admittedSessionId: string) =>
      reasonOf(desk.begin(beginCommand(run, { admittedGeneration, admittedSessionId })));
    expect(asks(1, 1n, other)).toBe("GENERATION_MISMATCH");
    expect(asks(2, 2n, first)).toBe("GENERATION_MISMATCH");
    expect(asks(3, 1n, first)).toBe("accepted");
    // A repeat of the run that began, and a turn of before the rotation.
    expect(asks(3, 1n, first)).toBe("accepted");
    rotated(desk);
    expect(asks(4, 1n, first)).toBe("accepted");
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
