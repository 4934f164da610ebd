import { describe, expect, test } from "vitest";
import type { ToldTurn } from "../history/calls.ts";
import type { FinalDelivery, FinalEntry, FinalTurn } from "../history/sights.ts";
import { Story } from "../testing/story.ts";
import { ENQUEUED } from "../testing/turns.ts";
import { oneEnd } from "./g05-one-end.ts";
import { laneOrder } from "./g06-lane-order.ts";
import { chainHash, onceInTranscript } from "./g07-once-in-transcript.ts";
import { delivered } from "./g08-delivered.ts";
import { replyOf } from "./nonce.ts";

const KEY = "agent:main:k";

function asking(text: string) {
  const flags = { attached: true, routed: true, nested: false };
  return { tenant: "t", name: "k", text, idempotency: `id ${text}`, ...flags };
}

function told(turnId: string, changed: Partial<ToldTurn> = {}): ToldTurn {
  const session = { key: KEY, sessionId: "s1", generation: 1 };
  return { turnId, ...session, state: "COMPLETED", reply: "", ...changed };
}

function turn(turnId: string, laneSeq: number, changed: Partial<FinalTurn> = {}): FinalTurn {
  const about = { tenant: "t", key: KEY, turnId, laneSeq, idempotency: `id ${turnId}` };
  const reply = replyOf(`n-${turnId}`, "0");
  const rest = { state: "COMPLETED", generation: 1, reply, routed: true, runs: [] };
  return { ...about, ...ENQUEUED, ...rest, ...changed };
}

describe("G5", () => {
  test("an accepted turn that ended as it was told", () => {
    const { history } = new Story()
      .ok("turn", [0, 1], asking("a"), told("a"))
      .saw("finalTurn", 9, turn("a", 1));
    expect(oneEnd(history)).toMatchObject({ evidence: 1, findings: [] });
  });

  test("a turn that joined another may be told the other's end, and no third", () => {
    const host = turn("h", 1, { state: "INTERRUPTED" });
    const joined = turn("a", 2, { state: "COALESCED", intoTurnId: "h" });
    const end = (state: string, ...finals: FinalTurn[]) => {
      const story = new Story().ok("turn", [0, 1], asking("a"), told("a", { state }));
      for (const one of finals) story.saw("finalTurn", 9, one);
      return oneEnd(story.history).findings.length;
    };
    expect(end("INTERRUPTED", host, joined)).toBe(0);
    expect(end("COALESCED", host, joined)).toBe(0);
    expect(end("COMPLETED", host, joined)).toBe(1);
    expect(end("INTERRUPTED", host, { ...joined, state: "COMPLETED" })).toBe(1);
    expect(end("INTERRUPTED", host, { ...joined, intoTurnId: "" })).toBe(1);
  });

  test.each<[string, FinalTurn[]]>([
    ["is lost", []],
    ["never ends", [turn("a", 1, { state: "ACTIVE" })]],
    ["ends twice", [turn("a", 1, { state: "FAILED" })]],
  ])("an accepted turn that %s", (_, finals) => {
    const story = new Story().ok("turn", [0, 1], asking("a"), told("a"));
    for (const one of finals) story.saw("finalTurn", 9, one);
    expect(oneEnd(story.history).findings).toHaveLength(1);
  });
});

describe("G6", () => {
  const worked = (spans: readonly [string, number, number][], second = turn("b", 2)) => {
    const story = new Story();
    for (const [id, start, end] of spans) {
      story.saw("asked", start, { nonce: `n-${id}`, shown: [] });
      story.saw("answered", end, { nonce: `n-${id}` });
    }
    return story.saw("finalTurn", 99, turn("a", 1)).saw("finalTurn", 99, second).history;
  };

  test("one after the other, in order", () => {
    const history = worked([
      ["a", 0, 5],
      ["b", 6, 9],
    ]);
    expect(laneOrder(history)).toMatchObject({ evidence: 1, findings: [] });
  });

  test.each<[string, [string, number, number][]]>([
    [
      "two at once",
      [
        ["a", 0, 5],
        ["b", 4, 9],
      ],
    ],
    [
      "the second first",
      [
        ["b", 0, 5],
        ["a", 6, 9],
      ],
    ],
  ])("%s", (_, spans) => {
    expect(laneOrder(worked(spans)).findings).toHaveLength(1);
  });

  test("a person before the system's turn that was given back, and none of the two at once", () => {
    const system = turn("a", 1, { turnClass: "SYSTEM" });
    const judged = (...spans: [string, number, number][]) => {
      const story = new Story();
      for (const [id, start, end] of spans) {
        story.saw("asked", start, { nonce: `n-${id}`, shown: [] });
        story.saw("answered", end, { nonce: `n-${id}` });
      }
      return laneOrder(
        story.saw("finalTurn", 99, system).saw("finalTurn", 99, turn("b", 2)).history,
      );
    };
    expect(judged(["b", 0, 5], ["a", 6, 9])).toMatchObject({ evidence: 1, findings: [] });
    expect(judged(["b", 0, 5], ["a", 4, 9]).findings).toHaveLength(1);
  });

  test("a name whose turn went into a lane of its own", () => {
    const { history } = new Story()
      .ok("normalize", [0, 1], { tenant: "t", name: "k", alike: "k" }, { key: KEY, again: KEY })
      .ok("turn", [2, 3], asking("a"), told("a", { key: "agent:main:k2" }));
    expect(laneOrder(history).findings).toHaveLength(1);
  });
});

describe("G7", () => {
  const said = (lines: readonly [role: string, text: string, turnId: string][]) => {
    const story = new Story();
    const at = { tenant: "t", key: KEY, sessionId: "s1", generation: 1 };
    for (const [index, [role, text, turnId]] of lines.entries()) {
      story.saw("finalMessage", index, { ...at, role, text, turnId });
    }
    return story;
  };
  const first = replyOf("n-a", chainHash(["user: hi"]));

  test("each reply made of all before it", () => {
    const second = replyOf("n-b", chainHash(["user: hi", `assistant: ${first}`, "user: and?"]));
    const { history } = said([
      ["user", "hi", "a"],
      ["assistant", first, "a"],
      ["user", "and?", "b"],
      ["assistant", second, "b"],
    ]);
    expect(onceInTranscript(history)).toMatchObject({ evidence: 2, findings: [] });
  });

  test.each<[string, [string, string, string][]]>([
    [
      "a reply made of less",
      [
        ["user", "more", "x"],
        ["user", "hi", "a"],
        ["assistant", first, "a"],
      ],
    ],
  ])("%s", (_, lines) => {
    expect(onceInTranscript(said(lines).history).findings).toHaveLength(1);
  });

  test("a turn with two replies, and one completed without", () => {
    const again = replyOf("n-a2", chainHash(["user: hi", `assistant: ${first}`]));
    const { history } = said([
      ["user", "hi", "a"],
      ["assistant", first, "a"],
      ["assistant", again, "a"],
    ]).saw("finalTurn", 9, turn("b", 2));
    expect(onceInTranscript(history).findings).toHaveLength(2);
  });

  test("a turn that was superseded and has a reply", () => {
    const { history } = said([
      ["user", "hi", "a"],
      ["assistant", first, "a"],
    ]).saw("finalTurn", 9, turn("a", 1, { state: "SUPERSEDED" }));
    expect(onceInTranscript(history).findings).toHaveLength(1);
  });
});

describe("G8", () => {
  const reset = (generation: number) => {
    return { tenant: "t", key: KEY, generation, sessionId: `s${generation}`, reason: "RESET" };
  };
  const delivery = (id: string, routeSeq: number, state = "SENT"): FinalDelivery => {
    const about = { tenant: "t", key: KEY, deliveryId: `d-${id}`, turnId: id, routeId: "r" };
    return { ...about, routeSeq, state, generation: 1 };
  };
  const entry = (entryId: number, changed: Partial<FinalEntry>): FinalEntry => {
    const shown = { shownRun: "", shownGeneration: 1, turnId: "", deliveryId: "" };
    const about = { tenant: "t", key: KEY, operation: "reply_sending", accepted: true };
    return { entryId, ...about, reason: "", generation: 1, ...shown, ...changed };
  };
  const posted = (id: string, deliveryId = `d-${id}`) => {
    return { deliveryId, key: KEY, generation: 1, turnId: id, text: id };
  };
  const both = (stateOfSecond = "SENT") =>
    new Story()
      .saw("finalTurn", 99, turn("a", 1))
      .saw("finalTurn", 99, turn("b", 2))
      .saw("finalDelivery", 99, delivery("a", 1))
      .saw("finalDelivery", 99, delivery("b", 2, stateOfSecond))
      .saw("finalJournal", 99, entry(1, { deliveryId: "d-a" }))
      .saw("finalJournal", 99, entry(2, { deliveryId: "d-b" }));

  test("two replies in order, each claimed", () => {
    const { history } = both().saw("posted", 1, posted("a")).saw("posted", 2, posted("b"));
    expect(delivered(history)).toMatchObject({ evidence: 2, findings: [] });
  });

  test("the second first", () => {
    const { history } = both().saw("posted", 1, posted("b")).saw("posted", 2, posted("a"));
    expect(delivered(history).findings).toHaveLength(1);
  });

  test("one that never arrived", () => {
    const { history } = both().saw("posted", 2, posted("b"));
    expect(delivered(history).findings).toHaveLength(1);
  });

  test("one that was given up", () => {
    const { history } = both("FAILED").saw("posted", 2, posted("a"));
    expect(delivered(history).findings).toHaveLength(1);
  });

  test("one that was never handed over", () => {
    const { history } = new Story().saw("finalTurn", 99, turn("a", 1));
    expect(delivered(history).findings).toHaveLength(1);
  });

  test("one that arrives under two ids, which nobody claimed", () => {
    const { history } = both()
      .saw("posted", 1, posted("a"))
      .saw("posted", 2, posted("a", "d-other"))
      .saw("posted", 3, posted("b"));
    expect(delivered(history).findings).toHaveLength(2);
  });

  test("one that arrives more often than it was claimed", () => {
    const { history } = both()
      .saw("posted", 1, posted("a"))
      .saw("posted", 2, posted("a"))
      .saw("posted", 3, posted("b"));
    expect(delivered(history).findings).toHaveLength(1);
  });

  test("one that is claimed again, rightly while it is not known to be sent and wrongly after", () => {
    const settled = (entryId: number, reason: string) =>
      entry(entryId, { operation: "reply_settled", reason, deliveryId: "d-a" });
    const claimedAgain = (first: string, second: string) =>
      both()
        .saw("posted", 1, posted("a"))
        .saw("posted", 2, posted("b"))
        .saw("finalJournal", 99, settled(3, first))
        .saw("finalJournal", 99, settled(4, second))
        .saw("finalJournal", 99, entry(5, { deliveryId: "d-a" })).history;
    expect(delivered(claimedAgain("UNKNOWN", "UNKNOWN")).findings).toEqual([]);
    expect(delivered(claimedAgain("UNKNOWN", "SENT")).findings).toHaveLength(1);
    expect(delivered(claimedAgain("SENT", "UNKNOWN")).findings).toHaveLength(1);
  });

  test("one that is claimed after a reset, and one that is suppressed and arrives", () => {
    const { history } = both()
      .saw("posted", 1, posted("a"))
      .saw("posted", 2, posted("b"))
      .saw("finalJournal", 99, entry(3, { operation: "rotate", reason: "RESET", generation: 2 }))
      .saw("finalJournal", 99, entry(4, { deliveryId: "d-c" }))
      .saw("posted", 3, posted("c"))
      .saw("finalGeneration", 99, reset(2))
      .saw("finalDelivery", 99, delivery("c", 3, "SUPPRESSED_STALE"));
    expect(delivered(history).findings).toHaveLength(2);
  });

  test.each(["SUPPRESSED_STALE", "UNKNOWN"])("%s by a reset, and by nothing", (state) => {
    const story = () =>
      both()
        .saw("posted", 1, posted("a"))
        .saw("posted", 2, posted("b"))
        .saw("finalDelivery", 99, delivery("c", 3, state));
    expect(delivered(story().history).findings).toHaveLength(1);
    // What came before the reply held nothing of it back.
    expect(delivered(story().saw("finalGeneration", 99, reset(1)).history).findings).toHaveLength(
      1,
    );
    expect(delivered(story().saw("finalGeneration", 99, reset(2)).history).findings).toEqual([]);
  });
});
