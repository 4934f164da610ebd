import { describe, expect, test } from "vitest";
import { Story } from "../testing/story.ts";
import { oneIdentity } from "./g01-one-identity.ts";
import { onlyGrows } from "./g02-only-grows.ts";
import { noStaleWrite } from "./g03-no-stale-write.ts";
import { noFalseStale } from "./g04-no-false-stale.ts";
import { DOUBLED } from "../history/doubled.ts";
import { linearizable } from "./linearizable.ts";

const KEY = "agent:main:k";
const NAME = { tenant: "t", name: "k" };
const at = { tenant: "t", key: KEY };
const standing = (generation: number, sessionId = `s${generation}`, epoch = 0) => {
  return { key: KEY, sessionId, generation, epoch };
};
const rotation = (request: string, expected = 0) => ({ ...at, request, expected });
const rotated = (generation: number, endedRun = "", sessionId = `s${generation}`) => {
  return { previous: generation - 1, generation, sessionId, endedRun };
};
const beginning = (run: string, leaseMs = 1_000) => {
  return { ...at, run, turn: `turn of ${run}`, admitted: 1, leaseMs };
};
const begun = (epoch: number, takenOver = "", generation = 1) => {
  return { generation, sessionId: `s${generation}`, epoch, takenOver };
};
const event = (run: string, seq: number, says: string, epoch = 1, generation = 1) => {
  const name = seq === 0 ? ("ended" as const) : ("progress" as const);
  return { ...at, sessionId: `s${generation}`, generation, run, epoch, seq, event: name, says };
};
const applied = { applied: true };

/** A run that begins, is rotated away and writes too late. */
function rotatedAway(): Story {
  return new Story()
    .ok("resolve", [0, 1], NAME, standing(1))
    .ok("begin", [2, 3], beginning("r1"), begun(1))
    .ok("write", [4, 5], event("r1", 1, "model"), applied)
    .ok("rotate", [6, 7], rotation("q1"), rotated(2, "r1"));
}

const CURRENT = { current: { generation: 2, run: "", epoch: 1 } };

function lateAndRefused(): Story {
  return rotatedAway().fail("write", [8, 9], event("r1", 2, "late"), "STALE_GENERATION", CURRENT);
}

function lateAndAccepted(): Story {
  return rotatedAway().ok("write", [8, 9], event("r1", 2, "late"), applied);
}

describe("G1", () => {
  test("racers who are told one session id", () => {
    const { history } = new Story()
      .ok("resolve", [0, 5], NAME, standing(1))
      .ok("resolve", [1, 6], NAME, standing(1));
    expect(oneIdentity(history)).toMatchObject({ evidence: 1, findings: [] });
  });

  test("racers who are told two", () => {
    const { history } = new Story()
      .ok("resolve", [0, 5], NAME, standing(1, "a"))
      .ok("resolve", [1, 6], NAME, standing(1, "b"));
    expect(oneIdentity(history).findings).toHaveLength(1);
  });

  test("an id that stands in two generations, and a loser that fails", () => {
    const { history } = new Story()
      .ok("resolve", [0, 5], NAME, standing(1, "a"))
      .fail("resolve", [1, 6], NAME, "NOT_FOUND")
      .ok("rotate", [7, 8], rotation("q"), rotated(2, "", "a"));
    expect(oneIdentity(history).findings).toHaveLength(2);
  });
});

describe("G2", () => {
  test("what comes later is told as much or more", () => {
    const { history } = rotatedAway().ok("resolve", [8, 9], NAME, standing(2, "s2", 1));
    const { evidence, findings } = onlyGrows(history);
    expect(findings).toEqual([]);
    expect(evidence).toBeGreaterThan(0);
  });

  test("calls at the same time may be told either", () => {
    const { history } = rotatedAway().ok("resolve", [6, 8], NAME, standing(1, "s1", 1));
    expect(onlyGrows(history).findings).toEqual([]);
  });

  test("a generation that falls", () => {
    const { history } = rotatedAway().ok("resolve", [8, 9], NAME, standing(1, "s1", 1));
    expect(onlyGrows(history).findings).toHaveLength(1);
  });

  test("an epoch that two runs have", () => {
    const { history } = new Story()
      .ok("begin", [0, 1], beginning("r1"), begun(1))
      .ok("begin", [2, 3], beginning("r2"), begun(1, "r1"));
    expect(onlyGrows(history).findings).toHaveLength(1);
  });
});

describe("G3", () => {
  test("a late write that is refused, journalled, with the fence that is current", () => {
    const { history } = lateAndRefused().saw("finalJournal", 10, {
      ...{ entryId: 1, ...at, operation: "run_progress", accepted: false, turnId: "" },
      ...{ reason: "STALE_GENERATION", generation: 2, shownRun: "r1", shownGeneration: 1 },
      deliveryId: "",
    });
    expect(noStaleWrite(history)).toMatchObject({ evidence: 1, findings: [] });
  });

  test("a repeat of what was accepted gets its answer, whatever happened since", () => {
    const { history } = rotatedAway().ok("write", [8, 9], event("r1", 1, "model"), applied);
    expect(noStaleWrite(history).findings).toEqual([]);
    expect(linearizable(history).findings).toEqual([]);
  });

  test("a late write that is accepted, by real time and by replay", () => {
    const { history } = lateAndAccepted();
    expect(noStaleWrite(history).findings).toHaveLength(1);
    expect(linearizable(history).findings).toHaveLength(1);
  });

  test("a refusal that the journal does not know", () => {
    const { history } = lateAndRefused().saw("finalJournal", 10, {
      ...{ entryId: 1, ...at, operation: "rotate", accepted: true, turnId: "", deliveryId: "" },
      ...{ reason: "RESET", generation: 2, shownRun: "", shownGeneration: 0 },
    });
    expect(noStaleWrite(history).findings).toHaveLength(1);
  });
});

describe("linearizability", () => {
  test("a whole life of a key, with racers and a call that nobody knows of", () => {
    const { history } = new Story()
      .ok("resolve", [0, 4], NAME, standing(1))
      .ok("resolve", [1, 3], NAME, standing(1))
      .info("rotate", 5, rotation("lost"))
      .ok("begin", [6, 7], beginning("r1"), begun(1, "", 2))
      .fail("begin", [8, 9], beginning("r2"), "SESSION_BUSY")
      .ok("begin", [2_000, 2_001], beginning("r2"), begun(2, "r1", 2))
      .fail("write", [2_002, 2_003], event("r1", 1, "x", 1, 2), "TAKEN_OVER", {
        current: { generation: 2, run: "r2", epoch: 2 },
      })
      .ok("write", [2_004, 2_005], event("r2", 0, "completed", 2, 2), applied)
      .fail("write", [2_006, 2_007], event("r2", 0, "failed", 2, 2), "RUN_ENDED")
      .ok("rotate", [2_008, 2_009], rotation("q2", 2), rotated(3))
      .ok("rotate", [2_010, 2_011], rotation("q2", 2), rotated(3))
      .fail("rotate", [2_012, 2_013], rotation("q3", 2), "GENERATION_MISMATCH");
    expect(linearizable(history)).toMatchObject({ evidence: 1, findings: [] });
  });

  /** A run that was told that the key is busy begins after all. */
  function busyThenBegun(): Story {
    return new Story()
      .ok("resolve", [0, 1], NAME, standing(1))
      .ok("begin", [2, 3], beginning("r1"), begun(1))
      .fail("begin", [4, 5], beginning("r2"), "SESSION_BUSY")
      .fail("write", [2_000, 2_001], event("r1", 1, "x"), "TAKEN_OVER", {
        current: { generation: 1, run: "r2", epoch: 2 },
      });
  }

  test("a request that came twice may have been refused once", () => {
    const fault = { kind: DOUBLED, target: "to session-identity-1" };
    const { history } = busyThenBegun()
      .saw("fault", 0, { ...fault, state: "begin" })
      .saw("fault", 10, { ...fault, state: "end" });
    expect(linearizable(history)).toMatchObject({ evidence: 1, findings: [] });
    expect(noFalseStale(history)).toMatchObject({ evidence: 1, findings: [] });
  });

  test("one that came once may not", () => {
    expect(linearizable(busyThenBegun().history).findings).toHaveLength(1);
    expect(noFalseStale(busyThenBegun().history).findings).toHaveLength(1);
  });

  test.each<[string, Story]>([
    [
      "two rotations of one generation",
      rotatedAway().ok("rotate", [8, 9], rotation("q2"), rotated(2, "r1")),
    ],
    [
      "a rotation that was told and is gone",
      rotatedAway().ok("resolve", [8, 9], NAME, standing(1, "s1", 1)),
    ],
    [
      "a run that took a key from nobody it knows",
      rotatedAway().ok("begin", [8, 9], beginning("r2"), begun(2, "r1", 2)),
    ],
    [
      "a takeover without an epoch",
      rotatedAway().ok("begin", [8, 9], beginning("r2"), begun(1, "", 2)),
    ],
    [
      "a STALE that nobody justifies",
      new Story()
        .ok("resolve", [0, 1], NAME, standing(1))
        .ok("begin", [2, 3], beginning("r1"), begun(1))
        .fail("write", [4, 5], event("r1", 1, "x"), "STALE_GENERATION"),
    ],
    [
      "a busy key that nobody holds",
      new Story()
        .ok("resolve", [0, 1], NAME, standing(1))
        .fail("begin", [2, 3], beginning("r1"), "SESSION_BUSY"),
    ],
  ])("no order explains %s", (_, story) => {
    expect(linearizable(story.history).findings).toHaveLength(1);
  });
});

describe("G4", () => {
  test("a STALE after a rotation, and a takeover after the lease", () => {
    const { history } = lateAndRefused()
      .ok("begin", [10, 11], beginning("r2"), begun(2, "", 2))
      .ok("begin", [1_020, 1_021], beginning("r3"), begun(3, "r2", 2));
    expect(noFalseStale(history)).toMatchObject({ evidence: 2, findings: [] });
  });

  test("a STALE that nobody justifies", () => {
    const { history } = new Story()
      .ok("begin", [2, 3], beginning("r1"), begun(1))
      .fail("write", [4, 5], event("r1", 1, "x"), "STALE_GENERATION")
      .ok("rotate", [6, 7], rotation("q1"), rotated(2, "r1"));
    expect(noFalseStale(history).findings).toHaveLength(1);
  });

  test("a repeat renews no lease", () => {
    const { history } = new Story()
      .ok("begin", [0, 1], beginning("r1"), begun(1))
      .ok("write", [100, 101], event("r1", 1, "x"), applied)
      .ok("write", [900, 901], event("r1", 1, "x"), applied)
      .ok("begin", [1_200, 1_201], beginning("r2"), begun(2, "r1"));
    expect(noFalseStale(history)).toMatchObject({ evidence: 1, findings: [] });
  });

  test("a takeover while the lease lives", () => {
    const { history } = new Story()
      .ok("begin", [0, 1], beginning("r1"), begun(1))
      .ok("write", [800, 801], event("r1", 1, "x"), applied)
      .ok("begin", [1_200, 1_201], beginning("r2"), begun(2, "r1"));
    expect(noFalseStale(history).findings).toHaveLength(1);
  });
});
