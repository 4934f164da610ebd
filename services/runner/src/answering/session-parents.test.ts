import { create } from "@bufbuild/protobuf";
import {
  GetSessionResponseSchema,
  ListRotationsResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import {
  RotationReason,
  RotationSchema,
  type SessionRef,
  SessionRefSchema,
  SessionSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compactionNote } from "../domain/compaction.ts";
import { readSession } from "../store/answering/sessions.ts";
import { TENANT } from "../testing/requests.ts";
import type { World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import type { Identity } from "../deps.ts";
import { learnSession } from "./session-parents.ts";

const worlds = testWorlds();
let world: World;
beforeAll(async () => {
  world = await worlds.start();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const RUN = "01890000-0000-7000-8000-000000000001";

function ref(name: string, generation: bigint): SessionRef {
  return create(SessionRefSchema, {
    sessionKey: `agent:main:${name}`,
    sessionId: `${name}-${generation}`,
    generation,
  });
}

/** A key whose second session was made by a compaction, and which somebody resets before that call. */
function resetBefore(name: string, call: number) {
  const [first, second, third] = [ref(name, 1n), ref(name, 2n), ref(name, 3n)];
  const parent = { parentSessionId: first.sessionId, parentThroughTurnId: "t9" };
  const compaction = { reason: RotationReason.COMPACTION, note: compactionNote(RUN), ...parent };
  const into = create(RotationSchema, { ...compaction, previous: first, current: second });
  const reset = { reason: RotationReason.RESET, previous: second, current: third };
  let calls = 0;
  const isReset = () => (calls += 1) >= call;
  const identity: Pick<Identity, "getSession" | "listRotations"> = {
    getSession: async ({ session }) => {
      const over = isReset();
      const now = create(SessionSchema, over ? { ref: third } : { ref: second, ...parent });
      if (session?.value === first.sessionId)
        return create(GetSessionResponseSchema, { session: now });
      return create(GetSessionResponseSchema, {
        session: now,
        ...(over ? { rotation: into } : {}),
      });
    },
    listRotations: async () => {
      const last = isReset() ? create(RotationSchema, reset) : into;
      return create(ListRotationsResponseSchema, { rotations: [last] });
    },
  };
  const session = create(SessionSchema, { ref: second, ...parent });
  return { identity: identity as Identity, session };
}

test.each([1, 2, 3, 4])(
  "of a session that is reset at call %i it is known how it came about",
  async (call) => {
    const { identity, session } = resetBefore(`reset${call}`, call);
    await learnSession({ db: world.db, identity }, TENANT, session, { tenant: TENANT });
    const known = await readSession(world.db, TENANT, session.ref?.sessionId ?? "");
    expect(known).toMatchObject({ parentThroughTurnId: "t9", compactedByRunId: RUN });
  },
);
