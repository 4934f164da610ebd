import { RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { expect, test } from "vitest";
import { ModelError } from "../models/model-error.ts";
import { answersAtOnce } from "../testing/held-turn.ts";
import { transcript } from "../testing/reading.ts";
import { applyMain, Attached, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

test.concurrent.each(["MODEL_FAILED", "MODEL_STREAM_CUT", "MODEL_TIMEOUT"] as const)(
  "%s ends the turn and frees its lane",
  async (reason) => {
    await using world = await worlds.start();
    const replica = await world.replica();
    await applyMain(replica);
    // oxlint-disable-next-line require-yield
    world.model.behaviour = async function* () {
      throw new ModelError(reason, "the model is not well");
    };
    const first = new Attached(replica, { submit: turnFor(world, "one") });
    expect(await first.ended).toMatchObject({ state: TurnState.FAILED, errorReason: reason });
    expect(world.identity.endings.map(({ outcome }) => outcome)).toEqual([RunOutcome.FAILED]);
    world.model.behaviour = answersAtOnce("held");
    expect((await new Attached(replica, { submit: turnFor(world, "two") }).ended).state).toBe(
      TurnState.COMPLETED,
    );
    expect(await transcript(replica)).toEqual(["one", "two", "held"]);
  },
);
