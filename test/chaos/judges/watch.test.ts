import { describe, expect, test } from "vitest";
import type { Told, ToldLane } from "../history/sights.ts";
import { Story } from "../testing/story.ts";
import { finalTurn, KEY } from "../testing/turns.ts";
import { lanesWatched } from "./g12-lanes.ts";
import { watchedAt } from "./g12-watch.ts";

const DOOR = "session-identity";
const resolved = { key: KEY, sessionId: "s1", generation: 1, epoch: 0 };

describe("G12", () => {
  const tell = (kind: Told["kind"], generation: number, revision: number, stream = 1): Told => {
    const who = { watcher: "w", door: DOOR, prefix: "", stream } as const;
    return { ...who, kind, tenant: "t", key: KEY, generation, revision };
  };
  const mark = (kind: "opened" | "snapshot_end"): Told => ({ ...tell(kind, 0, 0), key: "" });
  const watched = watchedAt(DOOR);
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
      .ok("resolve", [0, 1], { tenant: "t", name: "k" }, { ...resolved, generation: 2 })
      .saw("told", 2, mark("opened"))
      .saw("told", 3, tell("snapshot", 1, 1))
      .saw("told", 4, mark("snapshot_end"));
    expect(watched(history).findings).toHaveLength(1);
  });

  test.each([
    ["what nobody has committed", 9, 1],
    ["what was committed after the end was read", 3, 0],
  ])("%s is told", (_, restAt, findings) => {
    const { history } = whole()
      .saw("drained", restAt, { tookMs: 1, waiting: [] })
      .saw("told", 8, tell("changed", 2, 4))
      .saw("finalSession", 10, stands);
    expect(watched(history).findings).toHaveLength(findings);
  });

  test("a follower that is told nothing", () => {
    const { history } = new Story().saw("told", 1, mark("opened")).saw("finalSession", 9, stands);
    expect(watched(history).findings).toHaveLength(1);
  });

  test("what another service tells is judged by itself", () => {
    const { history } = whole()
      .saw("told", 4, { ...mark("opened"), watcher: "d", door: "delivery" })
      .saw("finalSession", 9, stands);
    expect(watched(history).findings).toEqual([]);
    expect(watchedAt("delivery")(history).findings).toHaveLength(1);
  });

  describe("of keys that begin with a prefix alone", () => {
    const of = (prefix: string) => (told: Told) => ({ ...told, prefix });
    const story = (prefix: string) => {
      const only = of(prefix);
      return new Story()
        .ok("resolve", [0, 1], { tenant: "t", name: "k" }, { ...resolved, generation: 2 })
        .saw("told", 2, only(mark("opened")))
        .saw("told", 4, only(mark("snapshot_end")))
        .saw("finalSession", 9, stands);
    };

    test("others are not told, and need not be", () => {
      expect(watched(story("agent:other:").history).findings).toEqual([]);
    });

    test("those that are wanted have to be told", () => {
      // Neither by the snapshot nor since.
      expect(watched(story("agent:main:").history).findings).toHaveLength(2);
    });

    test("another one is told", () => {
      const { history } = story("agent:other:").saw(
        "told",
        5,
        of("agent:other:")(tell("changed", 2, 3)),
      );
      expect(watched(history).findings).toHaveLength(1);
    });
  });
});

describe("G12 of lanes", () => {
  const tell = (kind: ToldLane["kind"], turns: readonly string[] = [], stream = 1): ToldLane => {
    const key = kind === "snapshot" || kind === "changed" ? KEY : "";
    return { watcher: "w", stream, kind, tenant: "t", key, turns };
  };
  const begun = () =>
    new Story()
      .saw("toldLane", 1, tell("opened"))
      .saw("toldLane", 2, tell("snapshot", ["t1", "t2"]))
      .saw("toldLane", 3, tell("snapshot_end"))
      .saw("finalTurn", 20, finalTurn("t1"))
      .saw("finalTurn", 20, finalTurn("t2"))
      .saw("drained", 10, { tookMs: 5, waiting: [] });

  test("a lane with two turns that comes to its end", () => {
    const { history } = begun()
      .saw("toldLane", 4, tell("changed", ["t2"]))
      .saw("toldLane", 5, tell("changed"));
    expect(lanesWatched(history)).toMatchObject({ evidence: 3, findings: [] });
  });

  test("a lane whose end another stream tells by not naming it", () => {
    const { history } = begun()
      .saw("toldLane", 4, tell("opened", [], 2))
      .saw("toldLane", 5, tell("snapshot_end", [], 2));
    expect(lanesWatched(history)).toMatchObject({ evidence: 1, findings: [] });
  });

  test("a lane that is taken for one with work for ever", () => {
    const { history } = begun().saw("toldLane", 4, tell("changed", ["t2"]));
    expect(lanesWatched(history).findings).toHaveLength(1);
  });

  test("a lane with work where something is still under way: that is for another judge", () => {
    const { history } = begun().saw("drained", 11, { tookMs: 5, waiting: [KEY] });
    expect(lanesWatched(history).findings).toEqual([]);
  });

  test("a stream that does not begin with what has work", () => {
    const { history } = begun()
      .saw("toldLane", 4, tell("opened", [], 2))
      .saw("toldLane", 5, tell("changed", [], 2));
    // It was told a change before, and never which have work.
    expect(lanesWatched(history).findings).toHaveLength(2);
  });

  test.each([
    ["that nobody accepted", { tenant: "t", key: KEY, turnId: "t4" }],
    ["of another tenant", { tenant: "other", key: KEY, turnId: "t3" }],
    ["of another lane", { tenant: "t", key: `${KEY}:2`, turnId: "t3" }],
  ])("a turn %s", (_, whose) => {
    const { history } = begun()
      .saw("finalTurn", 20, { ...finalTurn("t3"), ...whose })
      .saw("toldLane", 4, tell("changed", ["t3"]))
      .saw("toldLane", 5, tell("changed"));
    expect(lanesWatched(history).findings).toHaveLength(1);
  });
});
