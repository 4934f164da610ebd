import { describe, expect, test } from "vitest";
import { ended, runId } from "../testing/commands.ts";
import type { Desk } from "../testing/desk.ts";
import { newDesk, granted, began } from "../testing/desk-steps.ts";

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

  test("never twice for one turn, though the clock that tells when it was accepted is ahead of this one", () => {
    const desk = idleDesk();
    const turn = { turnId: "t", acceptMs: desk.nowMs + 3_600_000 };
    const { rolledOver, fence } = began(desk, 2, turn);
    expect(rolledOver?.reason).toBe("idle");
    granted(desk.writeRun(ended(fence, "requeued")));
    desk.nowMs += 60_000;
    const second = began(desk, 3, turn);
    expect([second.rolledOver, second.fence.generation]).toEqual([undefined, 2n]);
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
