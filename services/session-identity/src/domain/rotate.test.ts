import { describe, expect, test } from "vitest";
import { rotateCommand } from "../testing/commands.ts";
import { newDesk, granted, reasonOf, began, rotated } from "../testing/desk-steps.ts";

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
