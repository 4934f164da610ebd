import { create } from "@bufbuild/protobuf";
import { WriteLifecycleResponseSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { LanekeeperError, type Reason, RpcError } from "@lanekeeper/rpc";
import { expect, test } from "vitest";
import type { Claimed } from "../store/sending/claimed.ts";
import { SESSION_ID, SESSION_KEY } from "../testing/replies.ts";
import type { NotSentError } from "./channel.ts";
import { SendFence } from "./fence.ts";

const LIMITS = { fenceLift: 2n ** 32n, fenceMs: 5_000, leaseMs: 30_000, postMs: 10_000 };

const CLAIMED: Claimed = {
  tenant: "acme",
  deliveryId: SESSION_ID,
  routeId: SESSION_ID,
  routeSeq: 1n,
  sessionKey: SESSION_KEY,
  sessionId: SESSION_ID,
  generation: 1n,
  turnId: "turn-1",
  principal: "tester",
  requestLabel: "label",
  traceId: "",
  traceparent: "",
  parts: [],
  attempt: 2,
  wasClaimed: false,
  perhapsSent: false,
  lostAttempt: false,
  hasUntold: false,
  expiresInMs: 60_000,
  createTime: new Date(0),
  kind: 1,
  address: "",
  signingSecrets: [],
  fenceId: "delivery-1",
  accountId: "",
  threadId: "",
  acceptedPieces: 0,
  isDoubtful: false,
  pieceHandle: "",
  mayResend: true,
  failureCount: 0,
  unavailableCount: 0,
  gapBefore: 0,
};

/** A fence whose time moves by `tookMs` with each answer, claimed at 0 and shown at `nowMs`. */
function fenceThat(
  tookMs: readonly number[],
  { nowMs = 0, error }: { nowMs?: number; error?: unknown } = {},
) {
  const shown: bigint[] = [];
  let now = nowMs;
  const identity = {
    checkFence: () => Promise.reject(new Error("not asked here")),
    async writeLifecycle({ eventSeq = 0n }: { eventSeq?: bigint }) {
      now += tookMs[shown.length] ?? 0;
      shown.push(eventSeq);
      if (error !== undefined) throw error;
      return create(WriteLifecycleResponseSchema, { applied: true });
    },
  };
  const clock = { monotonicMs: () => now };
  return { shown, fence: new SendFence({ identity, clock, limits: LIMITS }, CLAIMED, 0) };
}

const refusal = (fence: SendFence): Promise<NotSentError> =>
  fence.show().then(
    () => expect.fail("the fence was shown"),
    (error: NotSentError) => error,
  );

test("an answer that is fresh is relied upon", async () => {
  const { shown, fence } = fenceThat([5_000]);
  await fence.show();
  expect(shown).toEqual([9n]);
  expect(fence.wasAccepted).toBe(true);
});

test("a claim that is older than 5 s when its answer is read is fenced again", async () => {
  const { shown, fence } = fenceThat([5_001, 6_000, 10]);
  await fence.show();
  expect(shown).toEqual([9n, 10n, 11n]);
});

test("without time left for the post under the lease nothing is claimed any more", async () => {
  const late = fenceThat([], { nowMs: 20_001 });
  expect((await refusal(late.fence)).why).toBe("unavailable");
  expect(late.shown).toEqual([]);
  const slow = fenceThat([9_000, 9_000, 9_000]);
  expect((await refusal(slow.fence)).why).toBe("unavailable");
  expect(slow.shown).toHaveLength(3);
  expect(slow.fence.wasAccepted).toBe(true);
});

test("a reply that expired while it was being connected is not claimed", async () => {
  const { shown, fence } = fenceThat([], { nowMs: 60_000 });
  expect((await refusal(fence)).why).toBe("expired");
  expect(shown).toEqual([]);
});

test.each<[Reason, NotSentError["why"]]>([
  ["STALE_GENERATION", "stale"],
  ["SUPERSEDED", "already_sent"],
  ["NOT_FOUND", "refused"],
  ["IDEMPOTENCY_MISMATCH", "refused"],
  ["INVALID_REQUEST", "refused"],
  ["STORE_UNAVAILABLE", "unavailable"],
  ["DRAINING", "unavailable"],
  ["UNAUTHENTICATED", "unavailable"],
  ["PERMISSION_DENIED", "unavailable"],
  ["INTERNAL", "unavailable"],
  ["RATE_LIMITED", "unavailable"],
])("%s is %s", async (reason, why) => {
  const { fence } = fenceThat([], { error: new LanekeeperError(reason, "no") });
  expect(await refusal(fence)).toMatchObject({ why, message: "no" });
  expect(fence.wasAccepted).toBe(false);
});

test("an answer that never came is no right to send", async () => {
  const { fence } = fenceThat([], { error: new RpcError(4, "deadline") });
  expect((await refusal(fence)).why).toBe("unavailable");
});
