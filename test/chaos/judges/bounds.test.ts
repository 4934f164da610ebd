import { describe, expect, test } from "vitest";
import { DOUBLED } from "../history/doubled.ts";
import { Story } from "../testing/story.ts";
import { answered, asking, finalTurn, KEY } from "../testing/turns.ts";
import { noDeadlock } from "./g13-no-deadlock.ts";
import { canaryOf, tenantsApart } from "./g14-tenants.ts";
import { bounded, NARROW, NARROW_WAITING } from "./g15-bounds.ts";
import { noTrace } from "./g16-no-trace.ts";
import { replyOf } from "./nonce.ts";

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

describe("G15, of a lane that holds few", () => {
  const KEY_OF_NARROW = `agent:${NARROW}:k`;

  /** So many turns are told to be accepted before the first of them is begun. */
  function crowded(turns: number) {
    const story = new Story();
    for (let n = 0; n < turns; n += 1) {
      const idempotency = `i${n}`;
      const told = { ...answered(`turn-${n}`), key: KEY_OF_NARROW };
      story
        .ok("turn", [n, n + 1], asking(`say ${n}`, { idempotency }), told)
        .saw("asked", 100 + n, { nonce: `n${n}`, shown: [] })
        .saw("finalTurn", 900, {
          ...finalTurn(`turn-${n}`, "COMPLETED", idempotency),
          ...{ key: KEY_OF_NARROW, reply: replyOf(`n${n}`, "aa") },
        });
    }
    return story.history;
  }

  test("one that is served and as many as may wait", () => {
    expect(bounded(crowded(NARROW_WAITING + 1))).toMatchObject({ evidence: 1, findings: [] });
  });

  test("one more", () => {
    const { findings } = bounded(crowded(NARROW_WAITING + 2));
    expect(findings.map(({ what }) => what)).toEqual(["5 turns wait in a lane of 4"]);
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

  test("a request that came twice may have been refused once", () => {
    const { history } = new Story()
      .saw("fault", 0, { kind: DOUBLED, target: "to runner-1", state: "begin" })
      .fail("turn", [1, 2], asking("a"), "QUEUE_FULL")
      .saw("fault", 3, { kind: DOUBLED, target: "to runner-1", state: "end" })
      .saw("finalTurn", 9, finalTurn("x"));
    expect(noTrace(history)).toMatchObject({ evidence: 0, findings: [] });
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
