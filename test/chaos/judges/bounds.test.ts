import { describe, expect, test } from "vitest";
import { Story } from "../testing/story.ts";
import { answered, asking, finalTurn, KEY } from "../testing/turns.ts";
import { noDeadlock } from "./g13-no-deadlock.ts";
import { canaryOf, tenantsApart } from "./g14-tenants.ts";
import { bounded } from "./g15-bounds.ts";
import { noTrace } from "./g16-no-trace.ts";

describe("G13", () => {
  const nested = asking("a", { nested: true });

  test("nested turns that end", () => {
    const { history } = new Story()
      .ok("turn", [0, 1], nested, answered("x"))
      .saw("finalTurn", 9, finalTurn("x"))
      .saw("drained", 9, { tookMs: 10, waiting: [] });
    expect(noDeadlock(history)).toMatchObject({ evidence: 1, findings: [] });
  });

  test("one that waits for ever, in a lane that is never drained", () => {
    const { history } = new Story()
      .ok("turn", [0, 1], nested, answered("x"))
      .saw("finalTurn", 9, finalTurn("x", "ACTIVE"))
      .saw("drained", 9, { tookMs: 60_000, waiting: [KEY] });
    expect(noDeadlock(history).findings).toHaveLength(2);
  });
});

describe("G14", () => {
  const peek = { tenant: "t", owner: "other", sessionId: "s1" };

  test("each tenant sees its own", () => {
    const { history } = new Story()
      .saw("asked", 0, { nonce: "n", shown: [`user: ${canaryOf("t")}`] })
      .fail("peek", [1, 2], peek, "NOT_FOUND");
    expect(tenantsApart(history)).toMatchObject({ evidence: 2, findings: [] });
  });

  test("a context of two tenants, a transcript of another's, and a read across", () => {
    const message = {
      tenant: "t",
      key: KEY,
      sessionId: "s1",
      generation: 1,
      turnId: "x",
      role: "user",
    };
    const { history } = new Story()
      .saw("asked", 0, {
        nonce: "n",
        shown: [`user: ${canaryOf("t")}`, `user: ${canaryOf("other")}`],
      })
      .saw("finalMessage", 1, { ...message, text: canaryOf("other") })
      .ok("peek", [2, 3], peek, { key: KEY });
    expect(tenantsApart(history).findings).toHaveLength(3);
  });
});

describe("G15", () => {
  const sample = { process: "runner-1", residentBytes: 2 ** 27, waitingTurns: 3 };

  test("within bounds, and a refusal that names its bound", () => {
    const { history } = new Story()
      .saw("sample", 0, sample)
      .fail("turn", [1, 2], asking("a"), "QUEUE_FULL", { metadata: { limit: "128" } });
    expect(bounded(history)).toMatchObject({ evidence: 2, findings: [] });
  });

  test("too much memory, too deep a lane, and a refusal that names nothing", () => {
    const { history } = new Story()
      .saw("sample", 0, { ...sample, residentBytes: 2 ** 31, waitingTurns: 129 })
      .fail("turn", [1, 2], asking("a"), "QUEUE_FULL");
    expect(bounded(history).findings).toHaveLength(3);
  });
});

describe("G16", () => {
  test("what was refused is nowhere; with a turn id it was accepted", () => {
    const { history } = new Story()
      .fail("turn", [0, 1], asking("a"), "SESSION_BUSY")
      .fail("turn", [2, 3], asking("b", { idempotency: "i2" }), "MODEL_FAILED", {
        metadata: { turn_id: "y" },
      })
      .saw("finalTurn", 9, finalTurn("y", "FAILED", "i2"));
    expect(noTrace(history)).toMatchObject({ evidence: 1, findings: [] });
  });

  test("what was refused stands, or was said", () => {
    const { history } = new Story()
      .fail("turn", [0, 1], asking("a"), "SESSION_BUSY")
      .saw("finalTurn", 9, finalTurn("x"))
      .fail("turn", [2, 3], asking("said", { idempotency: "i2" }), "SESSION_BUSY")
      .saw("asked", 4, { nonce: "n", shown: ["user: said"] });
    expect(noTrace(history).findings).toHaveLength(2);
  });
});
