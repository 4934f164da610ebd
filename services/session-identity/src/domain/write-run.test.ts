import { describe, expect, test } from "vitest";
import {
  beginCommand,
  ended,
  KEY,
  progress,
  rotateCommand,
  runId,
  writeCommand,
} from "../testing/commands.ts";
import { newDesk, granted, reasonOf, began, rotated, compacted } from "../testing/desk-steps.ts";
import { isRefusal } from "./refusal.ts";

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

  test("no run ends before it began, whatever the clock says", () => {
    const desk = newDesk();
    const { fence } = began(desk, 1);
    const beganMs = desk.nowMs;
    desk.nowMs -= 30;
    granted(desk.writeRun(ended(fence)));
    expect(desk.standing.session.lastRun).toMatchObject({ startMs: beganMs, endMs: beganMs });
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

  test("a run that named its model when it began needs no started", () => {
    const desk = newDesk();
    granted(desk.begin(beginCommand(1, { model: "named" })));
    expect(desk.standing.session.activeRun).toMatchObject({ model: "named" });
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
