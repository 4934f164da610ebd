import { describe, expect, test } from "vitest";
import { ended, KEY, sending, settled } from "../testing/commands.ts";
import type { Desk } from "../testing/desk.ts";
import { newDesk, granted, reasonOf, began, rotated } from "../testing/desk-steps.ts";
import type { ReplyFence } from "./records.ts";

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

  test("who tells an outcome differently hears what was told, for its own reply alone", () => {
    const desk = newDesk();
    const reply = replyOf(desk, "d1");
    granted(desk.writeReply(sending(reply, 1n)));
    granted(desk.writeReply(settled(reply, 8n, "sent")));
    expect(desk.writeReply(settled(reply, 8n, "unknown"))).toMatchObject({
      reason: "IDEMPOTENCY_MISMATCH",
      metadata: { recorded_state: "SENT", recorded_attempt: "1" },
    });
    const other = desk.writeReply(settled({ ...reply, turnId: "another" }, 8n, "unknown"));
    expect(other).toMatchObject({ reason: "IDEMPOTENCY_MISMATCH" });
    expect(other).not.toHaveProperty("metadata.recorded_state");
  });

  test("what was sent is not sent again", () => {
    const desk = newDesk();
    const reply = replyOf(desk, "d1");
    granted(desk.writeReply(sending(reply, 1n)));
    granted(desk.writeReply(settled(reply, 2n, "sent")));
    expect(reasonOf(desk.writeReply(sending(reply, 3n, 2)))).toBe("SUPERSEDED");
  });

  test.each(["unknown", "failed", "suppressed_stale"] as const)(
    "what was sent stays sent, also where another attempt is told to be %s later",
    (state) => {
      const desk = newDesk();
      const reply = replyOf(desk, "d1");
      granted(desk.writeReply(sending(reply, 1n)));
      granted(desk.writeReply(sending(reply, 9n, 2)));
      granted(desk.writeReply(settled(reply, 16n, "sent", "m-1")));
      const late = granted(desk.writeReply(settled(reply, 8n, state)));
      expect(desk.replies.get("d1")).toMatchObject({ state: "sent", providerMessageId: "m-1" });
      expect(desk.writeReply(settled(reply, 8n, state))).toEqual(late);
      expect(reasonOf(desk.writeReply(sending(reply, 17n, 3)))).toBe("SUPERSEDED");
    },
  );

  test("a send that was unknown and is known now was sent", () => {
    const desk = newDesk();
    const reply = replyOf(desk, "d1");
    granted(desk.writeReply(sending(reply, 1n)));
    granted(desk.writeReply(settled(reply, 8n, "unknown")));
    granted(desk.writeReply(settled(reply, 16n, "sent", "m-2")));
    expect(desk.replies.get("d1")).toMatchObject({ state: "sent", providerMessageId: "m-2" });
    expect(reasonOf(desk.writeReply(sending(reply, 17n, 3)))).toBe("SUPERSEDED");
  });

  test("a delivery id stands for one reply", () => {
    const desk = newDesk();
    const reply = replyOf(desk, "d1");
    granted(desk.writeReply(sending(reply, 1n)));
    const other = { ...reply, turnId: "another" };
    expect(reasonOf(desk.writeReply(sending(other, 2n)))).toBe("IDEMPOTENCY_MISMATCH");
  });
});
