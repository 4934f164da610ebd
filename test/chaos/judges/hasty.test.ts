import { describe, expect, test } from "vitest";
import type { ConflictWord } from "../history/calls.ts";
import type { FinalTurn } from "../history/sights.ts";
import { Story } from "../testing/story.ts";
import { answered, asking, finalTurn, KEY } from "../testing/turns.ts";
import { endsAskedFor } from "./g05-ends-asked-for.ts";
import { laneOrder } from "./g06-lane-order.ts";
import { chainHash, onceInTranscript } from "./g07-once-in-transcript.ts";
import { replyOf } from "./nonce.ts";

/** A turn with what it asked for, and where it stood in its lane. */
function turn(
  turnId: string,
  laneSeq: number,
  state: string,
  changed: Partial<FinalTurn> = {},
): FinalTurn {
  return { ...finalTurn(turnId, state, `i ${turnId}`), laneSeq, ...changed };
}

const asked = (onConflict: ConflictWord) => ({ onConflict });
const said = (text: string, turnId = "a", role = "user") => {
  return { tenant: "t", key: KEY, sessionId: "s1", generation: 1, turnId, role, text };
};

describe("G5, for another's sake", () => {
  /** What `a` and `b` say, and where it stands at the end. */
  const story = (turns: readonly FinalTurn[], transcript: readonly string[]) => {
    const made = new Story();
    for (const { turnId } of turns) {
      made.ok(
        "turn",
        [0, 1],
        asking(`t ${turnId}`, { idempotency: `i ${turnId}` }),
        answered(turnId),
      );
    }
    for (const one of turns) made.saw("finalTurn", 9, one);
    for (const text of transcript) made.saw("finalMessage", 9, said(text));
    return endsAskedFor(made.history);
  };
  const interrupted = (by: Partial<FinalTurn> = {}) => [
    turn("a", 1, "INTERRUPTED"),
    turn("b", 2, "COMPLETED", by),
  ];
  const joined = (how: ConflictWord, host = "COMPLETED") => [
    turn("a", 1, host),
    turn("b", 2, "COALESCED", { onConflict: how, intoTurnId: "a" }),
  ];

  test.each<[string, FinalTurn[], string[]]>([
    ["interrupted, and its words stand", interrupted(asked("INTERRUPT")), ["t a", "t b"]],
    ["rolled back, and its words are gone", interrupted(asked("ROLLBACK")), ["t b"]],
    [
      "interrupted, and then rolled back",
      [...interrupted(asked("INTERRUPT")), turn("c", 3, "COMPLETED", asked("ROLLBACK"))],
      ["t b", "t c"],
    ],
    ["joined a turn that waited", joined("COALESCE"), ["t a", "t b"]],
    ["joined a turn that was stopped", joined("COALESCE", "CANCELLED"), []],
    ["handed to the turn that ran", joined("STEER"), ["t a", "t b"]],
  ])("%s", (_, turns, transcript) => {
    expect(story(turns, transcript)).toMatchObject({ evidence: 1, findings: [] });
  });

  test.each<[string, FinalTurn[], string[]]>([
    ["interrupted by nobody", interrupted(), ["t a", "t b"]],
    [
      "interrupted by what came before it",
      [turn("b", 1, "COMPLETED", asked("INTERRUPT")), turn("a", 2, "INTERRUPTED")],
      ["t b", "t a"],
    ],
    ["interrupted, and its words are gone", interrupted(asked("INTERRUPT")), ["t b"]],
    ["rolled back, and its words stand", interrupted(asked("ROLLBACK")), ["t a", "t b"]],
    ["interrupted, and said twice", interrupted(asked("INTERRUPT")), ["t a", "t b", "t a"]],
    ["joined, and its words are lost", joined("COALESCE"), ["t a"]],
    ["handed over, and said twice", joined("STEER"), ["t a", "t b", "t b"]],
    ["handed to a turn that failed", joined("STEER", "FAILED"), ["t a", "t b"]],
    [
      "joined another lane's turn",
      [{ ...turn("a", 1, "COMPLETED"), key: "agent:main:else" }, ...joined("STEER").slice(1)],
      ["t a", "t b"],
    ],
    [
      "joined without having asked for it",
      [turn("a", 1, "COMPLETED"), turn("b", 2, "COALESCED", { intoTurnId: "a" })],
      ["t a", "t b"],
    ],
  ])("%s", (_, turns, transcript) => {
    expect(story(turns, transcript).findings).toHaveLength(1);
  });

  test("words of whom nobody was told are not looked for", () => {
    const { history } = new Story()
      .saw("finalTurn", 9, turn("a", 1, "INTERRUPTED"))
      .saw("finalTurn", 9, turn("b", 2, "COMPLETED", asked("INTERRUPT")));
    expect(endsAskedFor(history)).toMatchObject({ evidence: 1, findings: [] });
  });
});

describe("G6, at the front", () => {
  const worked = (
    spans: readonly [turnId: string, start: number, end: number][],
    all: FinalTurn[],
  ) => {
    const story = new Story();
    for (const [id, start, end] of spans) {
      story.saw("asked", start, { nonce: `n-${id}`, shown: [] });
      story.saw("answered", end, { nonce: `n-${id}` });
    }
    for (const one of all) {
      story.saw("finalTurn", 99, { ...one, reply: one.reply || replyOf(`n-${one.turnId}`, "0") });
    }
    return laneOrder(story.history).findings;
  };
  const three = [
    turn("a", 1, "COMPLETED"),
    turn("b", 2, "COMPLETED"),
    turn("c", 3, "COMPLETED", asked("ROLLBACK")),
  ];

  test("who interrupts is served before what waits, and the rest in its order", () => {
    expect(
      worked(
        [
          ["c", 0, 1],
          ["a", 2, 3],
          ["b", 4, 5],
        ],
        three,
      ),
    ).toEqual([]);
    expect(
      worked(
        [
          ["a", 0, 1],
          ["c", 2, 3],
          ["b", 4, 5],
        ],
        three,
      ),
    ).toEqual([]);
  });

  test("others are not, whoever is between them", () => {
    expect(
      worked(
        [
          ["b", 0, 1],
          ["c", 2, 3],
          ["a", 4, 5],
        ],
        three,
      ),
    ).toHaveLength(1);
  });

  test("who interrupts is not served behind what came later", () => {
    const [a, b] = [turn("a", 1, "COMPLETED", asked("INTERRUPT")), turn("b", 2, "COMPLETED")];
    expect(
      worked(
        [
          ["b", 0, 1],
          ["a", 2, 3],
        ],
        [a, b],
      ),
    ).toHaveLength(1);
  });

  test("a turn that goes on when it is spoken to works until its last answer", () => {
    const reply = `${replyOf("n-a", "0")}${replyOf("n-more", "1")}`;
    const all = [turn("a", 1, "COMPLETED", { reply }), turn("b", 2, "COMPLETED")];
    expect(
      worked(
        [
          ["a", 0, 1],
          ["more", 2, 4],
          ["b", 5, 6],
        ],
        all,
      ),
    ).toEqual([]);
    expect(
      worked(
        [
          ["a", 0, 1],
          ["more", 2, 4],
          ["b", 3, 6],
        ],
        all,
      ),
    ).toHaveLength(1);
  });
});

describe("G7, spoken to while it answers", () => {
  const first = replyOf("n1", chainHash(["user: hi"]));
  const more = replyOf("n2", chainHash(["user: hi", `assistant: ${first}`, "user: more"]));
  const spoken = (second: string, steered: FinalTurn) => {
    const story = new Story();
    const lines = [
      ["user", "hi"],
      ["assistant", first],
      ["user", "more"],
      ["assistant", second],
    ] as const;
    for (const [role, text] of lines) story.saw("finalMessage", 9, said(text, "a", role));
    return onceInTranscript(
      story.saw("finalTurn", 9, turn("a", 1, "COMPLETED")).saw("finalTurn", 9, steered).history,
    ).findings;
  };
  const steered = (onConflict: string, state = "COALESCED") =>
    turn("b", 2, state, { onConflict, intoTurnId: "a" });

  test("it answers once more, to all that stands before", () => {
    expect(spoken(more, steered("STEER"))).toEqual([]);
  });

  test.each<[string, string, FinalTurn]>([
    ["and nobody spoke to it", more, steered("COALESCE")],
    ["and who spoke to it is a turn of its own", more, steered("STEER", "FAILED")],
    ["and forgets what it was told", replyOf("n2", chainHash(["user: hi"])), steered("STEER")],
  ])("it answers once more, %s", (_, second, other) => {
    expect(spoken(second, other)).toHaveLength(1);
  });
});
