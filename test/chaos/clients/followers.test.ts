import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { WatchSessionsResponseSchema } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { LanekeeperError } from "@lanekeeper/rpc";
import { describe, expect, test } from "vitest";
import { watchedAt } from "../judges/g12-watch.ts";
import { lanesWatched } from "../judges/g12-lanes.ts";
import { Story } from "../testing/story.ts";
import { KEY } from "../testing/turns.ts";
import type { SightName, Sights } from "../history/sights.ts";
import { Follower } from "./followers.ts";
import type { Watch } from "./watches.ts";

type Step = MessageInitShape<typeof WatchSessionsResponseSchema> | Error;

const ref = { sessionKey: KEY, sessionId: "s", generation: 1n };
const session = (kind: "snapshot" | "changed", revision: bigint, resumeToken = ""): Step => ({
  event: { event: { case: kind, value: { ref, revision } }, resumeToken },
});
const snapshotEnd = (resumeToken: string): Step => ({
  event: { event: { case: "snapshotEnd", value: {} }, resumeToken },
});
const lane = (kind: "snapshot" | "changed", turnId?: string): Step => {
  const holder = turnId === undefined ? undefined : { turnId };
  const value = { sessionKey: KEY, ...(holder === undefined ? {} : { holder }) };
  return { lane: { event: { case: kind, value } } };
};
const lanesEnd: Step = { lane: { event: { case: "snapshotEnd", value: {} } } };
const end = (reason: "SLOW_CONSUMER" | "RESUME_TOKEN_EXPIRED") => new LanekeeperError(reason, "");

/** Follows streams that tell what a list says; one behind the last says nothing until it is left. */
function following(...streams: Step[][]) {
  const story = new Story();
  let at = 0;
  const saw = <F extends SightName>(f: F, value: Sights[F]) => void story.saw(f, (at += 1), value);
  const tokens: string[] = [];
  const watch: Watch = {
    ...{ name: "w", door: "delivery", tenant: "t", prefix: "", lanes: true },
    async *open(_, resumeToken, { signal }) {
      tokens.push(resumeToken);
      for (const step of streams.shift() ?? []) {
        if (step instanceof Error) throw step;
        yield create(WatchSessionsResponseSchema, step);
      }
      if (streams.length === 0) {
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      }
    },
  };
  return { follower: new Follower({ saw }, watch, () => 0), story, tokens };
}

const stands = (revision: number) => {
  const about = { tenant: "t", key: KEY, sessionId: "s", generation: 1, epoch: 0, activeRun: "" };
  return Promise.resolve([{ ...about, revision }]);
};

describe("a follower that stays until it knows what stands", () => {
  test.each([
    ["a slow reader goes on from its last token", "SLOW_CONSUMER", ["", "t2", "t3"]],
    ["a token that is too old is followed by a snapshot", "RESUME_TOKEN_EXPIRED", ["", "", "t3"]],
  ] as const)("%s", async (_, reason, wanted) => {
    const first = [session("snapshot", 1n), snapshotEnd("t1"), session("changed", 2n, "t2")];
    const again = reason === "SLOW_CONSUMER" ? [] : [session("snapshot", 2n), snapshotEnd("t2")];
    const { follower, story, tokens } = following(
      [...first, end(reason)],
      [...again, session("changed", 3n, "t3"), lanesEnd],
      [lanesEnd, session("changed", 4n, "t4")],
    );
    await follower.catchUp(stands(4));
    expect(tokens).toEqual(wanted);
    for (const value of await stands(4)) story.saw("finalSession", 99, value);
    expect(watchedAt("delivery")(story.history)).toMatchObject({ findings: [] });
  });

  test("it waits for the end of the lanes that it knows to have work", async () => {
    const told = [session("snapshot", 1n), snapshotEnd("t1"), lane("snapshot", "turn"), lanesEnd];
    const { follower, story } = following([...told, lane("changed")]);
    await follower.catchUp(stands(1));
    story.saw("drained", 99, { tookMs: 1, waiting: [] });
    expect(lanesWatched(story.history)).toMatchObject({ evidence: 2, findings: [] });
    expect(story.history.values("toldLane").map(({ kind, turns }) => [kind, turns])).toEqual([
      ["opened", []],
      ["snapshot", ["turn"]],
      ["snapshot_end", []],
      ["changed", []],
    ]);
  });
});
