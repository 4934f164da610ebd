import { randomUUID } from "node:crypto";
import { durationFromMs, timestampNow } from "@bufbuild/protobuf/wkt";
import { createIdentityClient, RunIds } from "@lanekeeper/client";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { hasReason } from "@lanekeeper/rpc";
import { systemIds } from "@lanekeeper/service";
import type { TestConstellation } from "@lanekeeper/testing";

type Lanekeeper = Pick<TestConstellation, "targets" | "credential">;

/** Rights that somebody got and kept: a run's fence, a reply's, and a place in the feed. */
export interface HeldRights {
  /** What each of them is answered now: "accepted", or the reason. */
  shownTo(lanekeeper: Lanekeeper): Promise<Readonly<Record<"run" | "reply" | "watch", string>>>;
}

/** The longest that there is: what is refused is not refused for its age. */
const LEASE_MS = 300_000;
const TENANT = "default";

function identityOf({ targets, credential }: Lanekeeper) {
  return createIdentityClient({
    target: targets["session-identity"],
    credential: credential("runner"),
    defaults: { tenant: TENANT, principal: "test" },
  });
}

/** Begins a run under a key that nobody else uses. */
export async function takeRights(lanekeeper: Lanekeeper, rawKey: string): Promise<HeldRights> {
  using identity = identityOf(lanekeeper);
  const { session } = await identity.resolveSession({ name: { case: "rawKey", value: rawKey } });
  const ref = session?.ref;
  if (ref === undefined) throw new Error("resolve told no session");
  const runIds = new RunIds(() => systemIds.uuid());
  const begin = () =>
    identity.beginRun({
      ...{ sessionKey: ref.sessionKey, turnId: randomUUID(), runId: runIds.mint() },
      ...{ admittedGeneration: ref.generation, turnClass: TurnClass.PERSON },
      acceptTime: timestampNow(),
      leaseDuration: durationFromMs(LEASE_MS),
    });
  // Fences may have been raised before.
  const { fence } = await begin().catch((error: unknown) => {
    if (runIds.learn(error)) return begin();
    throw error;
  });
  if (fence === undefined) throw new Error("the run was given no fence");
  const reply = { session: ref, turnId: randomUUID(), deliveryId: randomUUID() };
  const resumeToken = await firstToken(identity);
  return {
    async shownTo(now) {
      using asked = identityOf(now);
      return {
        run: await answerOf(asked.checkFence({ writer: { case: "run", value: fence } })),
        reply: await answerOf(asked.checkFence({ writer: { case: "reply", value: reply } })),
        watch: await answerOf(firstToken(asked, resumeToken)),
      };
    },
  };
}

async function firstToken(
  identity: ReturnType<typeof identityOf>,
  resumeToken = "",
): Promise<string> {
  const bookmarkInterval = durationFromMs(100);
  const request = { resumeToken, skipSnapshot: resumeToken === "", bookmarkInterval };
  for await (const message of identity.watchSessions(request)) {
    if (message.resumeToken !== "") return message.resumeToken;
  }
  throw new Error("a watch without a token");
}

async function answerOf(asked: Promise<unknown>): Promise<string> {
  try {
    await asked;
    return "accepted";
  } catch (error) {
    if (!hasReason(error)) throw error;
    return error.reason;
  }
}
