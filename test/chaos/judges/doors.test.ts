import { describe, expect, test } from "vitest";
import type { ToldTurn } from "../history/calls.ts";
import type { FinalTurn, Told } from "../history/sights.ts";
import { Story } from "../testing/story.ts";
import { keys } from "./g09-keys.ts";
import { bindings } from "./g10-bindings.ts";
import { repeats } from "./g11-repeats.ts";
import { watched } from "./g12-watch.ts";
import { noDeadlock } from "./g13-no-deadlock.ts";
import { canaryOf, tenantsApart } from "./g14-tenants.ts";
import { bounded } from "./g15-bounds.ts";
import { noTrace } from "./g16-no-trace.ts";

const KEY = "agent:main:k";
const standing = { key: KEY, sessionId: "s1", generation: 1, epoch: 0 };
const name = (text: string, alike = text) => ({ tenant: "t", name: text, alike });
const both = (key: string) => ({ key, again: key });

function asking(text: string, changed = {}) {
  const flags = { attached: true, routed: false, nested: false };
  return { tenant: "t", name: "k", text, idempotency: "i1", ...flags, ...changed };
}

function answered(turnId: string, reply = ""): ToldTurn {
  return { turnId, key: KEY, sessionId: "s1", generation: 1, state: "COMPLETED", reply };
}

function finalTurn(turnId: string, state = "COMPLETED", idempotency = "i1"): FinalTurn {
  const about = { tenant: "t", key: KEY, turnId, state, laneSeq: 1, idempotency };
  return { ...about, generation: 1, reply: "", routed: false, runs: [] };
}

describe("G9", () => {
  test("spellings of one name, and another name", () => {
    const { history } = new Story()
      .ok("normalize", [0, 1], name("k"), both(KEY))
      .ok("normalize", [2, 3], name("Agent:MAIN:k", "k"), both(KEY))
      .ok("normalize", [4, 5], name("K"), both("agent:main:K"));
    expect(keys(history)).toMatchObject({ evidence: 3, findings: [] });
  });

  test.each<[string, Story]>([
    [
      "two doors with two answers",
      new Story()
        .ok("normalize", [0, 1], name("k"), both(KEY))
        .ok("normalize", [2, 3], name("k", "k2"), both("agent:main:k2")),
    ],
    [
      "an output that is not its own",
      new Story().ok("normalize", [0, 1], name("k"), {
        key: KEY,
        again: "agent:main:agent:main:k",
      }),
    ],
    [
      "spellings of one name apart",
      new Story()
        .ok("normalize", [0, 1], name("k"), both(KEY))
        .ok("normalize", [2, 3], name("agent:main:k", "k"), both("agent:main:x")),
    ],
    [
      "two names in one",
      new Story()
        .ok("normalize", [0, 1], name("k"), both(KEY))
        .ok("normalize", [2, 3], name("K"), both(KEY)),
    ],
  ])("%s", (_, story) => {
    expect(keys(story.history).findings).toHaveLength(1);
  });
});

describe("G10", () => {
  const ask = { tenant: "t", name: "k" };

  test("a name that keeps its key", () => {
    const { history } = new Story()
      .ok("resolve", [0, 1], ask, standing)
      .ok("resolve", [2, 3], ask, standing);
    expect(bindings(history)).toMatchObject({ evidence: 1, findings: [] });
  });

  test("a name that is bound anew", () => {
    const { history } = new Story()
      .ok("resolve", [0, 1], ask, standing)
      .ok("resolve", [2, 3], ask, { ...standing, key: "agent:main:other" });
    expect(bindings(history).findings).toHaveLength(1);
  });
});

describe("G11", () => {
  test("a repeat that joins", () => {
    const { history } = new Story()
      .ok("turn", [0, 1], asking("a"), answered("x", "yes"))
      .ok("turn", [2, 3], asking("a"), answered("x", "yes"))
      .saw("finalTurn", 9, finalTurn("x"));
    expect(repeats(history)).toMatchObject({ evidence: 1, findings: [] });
  });

  test.each<[string, Story]>([
    [
      "a repeat that is a second turn",
      new Story()
        .ok("turn", [0, 1], asking("a"), answered("x"))
        .ok("turn", [2, 3], asking("a"), answered("y")),
    ],
    [
      "a repeat that nobody was told of",
      new Story().saw("finalTurn", 9, finalTurn("x")).saw("finalTurn", 9, finalTurn("y")),
    ],
    [
      "other content under the same key",
      new Story()
        .ok("turn", [0, 1], asking("a"), answered("x"))
        .ok("turn", [2, 3], asking("b"), answered("x")),
    ],
    [
      "two replies",
      new Story()
        .ok("turn", [0, 1], asking("a"), answered("x", "yes"))
        .ok("turn", [2, 3], asking("a"), answered("x", "no")),
    ],
  ])("%s", (_, story) => {
    expect(repeats(story.history).findings).toHaveLength(1);
  });

  test("a rotation that is repeated as another, and an event_seq with two contents", () => {
    const ask = { tenant: "t", key: KEY, request: "q", expected: 0 };
    const told = { previous: 1, generation: 2, sessionId: "s2", endedRun: "" };
    const fence = { tenant: "t", key: KEY, sessionId: "s1", generation: 1, run: "r", epoch: 1 };
    const event = { ...fence, seq: 1, event: "progress" as const };
    const { history } = new Story()
      .ok("rotate", [0, 1], ask, told)
      .ok("rotate", [2, 3], ask, { ...told, generation: 3, sessionId: "s3" })
      .ok("write", [4, 5], { ...event, says: "a" }, { applied: true })
      .ok("write", [6, 7], { ...event, says: "b" }, { applied: true });
    expect(repeats(history).findings).toHaveLength(2);
  });
});

describe("G12", () => {
  const tell = (kind: Told["kind"], generation: number, revision: number, stream = 1): Told => {
    return { watcher: "w", stream, kind, tenant: "t", key: KEY, generation, revision };
  };
  const mark = (kind: "opened" | "snapshot_end"): Told => ({ ...tell(kind, 0, 0), key: "" });
  const stands = {
    tenant: "t",
    key: KEY,
    sessionId: "s",
    generation: 2,
    epoch: 0,
    revision: 3,
    activeRun: "",
  };
  const whole = () =>
    new Story()
      .saw("told", 1, tell("snapshot", 1, 1))
      .saw("told", 2, tell("changed", 1, 2))
      .saw("told", 3, tell("changed", 2, 3));

  test("each state once, in order, up to what stands", () => {
    const { history } = whole().saw("finalSession", 9, stands);
    expect(watched(history)).toMatchObject({ evidence: 4, findings: [] });
  });

  test("an older state after a newer one", () => {
    const { history } = whole()
      .saw("told", 4, mark("opened"))
      .saw("told", 5, tell("snapshot", 1, 1, 2));
    expect(watched(history).findings).toHaveLength(1);
  });

  test("a gap, unless it was begun anew in between", () => {
    const late = { ...stands, revision: 5 };
    const gap = whole()
      .saw("told", 4, tell("changed", 2, 5))
      .saw("finalSession", 9, late);
    expect(watched(gap.history).findings).toHaveLength(1);
    const anew = whole()
      .saw("told", 4, mark("opened"))
      .saw("told", 5, tell("snapshot", 2, 4, 2))
      .saw("told", 6, tell("changed", 2, 5, 2))
      .saw("finalSession", 9, late);
    expect(watched(anew.history).findings).toEqual([]);
  });

  test("a state that is told twice on one stream", () => {
    const { history } = whole().saw("told", 4, tell("changed", 2, 3));
    expect(watched(history).findings).toHaveLength(1);
  });

  test("a state that is never told", () => {
    const { history } = whole().saw("finalSession", 9, { ...stands, revision: 4 });
    expect(watched(history).findings).toHaveLength(1);
  });

  test("a snapshot that is older than what somebody was told before", () => {
    const { history } = new Story()
      .ok("resolve", [0, 1], { tenant: "t", name: "k" }, { ...standing, generation: 2 })
      .saw("told", 2, mark("opened"))
      .saw("told", 3, tell("snapshot", 1, 1))
      .saw("told", 4, mark("snapshot_end"));
    expect(watched(history).findings).toHaveLength(1);
  });
});

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
