import { describe, expect, test } from "vitest";
import { Story } from "../testing/story.ts";
import { answered, asking, finalTurn, KEY } from "../testing/turns.ts";
import { keys } from "./g09-keys.ts";
import { bindings } from "./g10-bindings.ts";
import { repeats } from "./g11-repeats.ts";

const standing = { key: KEY, sessionId: "s1", generation: 1, epoch: 0 };
const name = (text: string, alike = text) => ({ tenant: "t", name: text, alike });
const both = (key: string) => ({ key, again: key });

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

  test("a turn under a name that goes elsewhere", () => {
    const { history } = new Story()
      .ok("resolve", [0, 1], ask, standing)
      .ok("turn", [2, 3], asking("a"), { ...answered("x"), key: "agent:main:other" });
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
