import { DeliveryState } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { ReplyState } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type AttemptFacts, endAttempt, isDeadLetter } from "./attempt-ending.ts";
import { DELIVERY_STATE_NAMES, hasEnded, mayBecome, stateCode } from "./delivery-state.ts";
import type { NotSent, SendOutcome } from "./send-outcome.ts";

const RULES = {
  retryBackoff: { baseMs: 1_000, maxMs: 300_000 },
  fenceBackoff: { baseMs: 200, maxMs: 10_000 },
  random: 0.5,
};
const FRESH: AttemptFacts = {
  failureCount: 0,
  unavailableCount: 0,
  wasClaimed: false,
  claimedNow: false,
  perhapsSent: false,
};
const CLAIMED = { ...FRESH, wasClaimed: true, claimedNow: true };
const PERHAPS = { ...CLAIMED, failureCount: 1, perhapsSent: true };

const notSent = (why: NotSent): SendOutcome => ({ kind: "not_sent", why, error: why });
const failed: SendOutcome = { kind: "failed", error: "503" };
const refused: SendOutcome = { kind: "refused", error: "410" };
const unknown: SendOutcome = { kind: "unknown", error: "cut" };
const sent: SendOutcome = { kind: "sent", providerMessageId: "m-1" };
const accepted: SendOutcome = { kind: "accepted", providerMessageId: "m-1" };
const held: SendOutcome = { kind: "held", error: "nothing can tell" };
const paced: SendOutcome = { kind: "paced", delayMs: 900 };

test.each([
  ["sent", sent, CLAIMED, "SENT", "sent", ReplyState.SENT],
  ["sent after an unknown attempt", sent, PERHAPS, "SENT", "sent", ReplyState.SENT],
  ["a piece, with more to come", accepted, CLAIMED, "PENDING", "accepted", undefined],
  ["held", held, { ...PERHAPS, claimedNow: false }, "UNKNOWN", "held", ReplyState.UNKNOWN],
  ["too early for the channel", paced, FRESH, "PENDING", "paced", undefined],
  ["refused for good", refused, CLAIMED, "FAILED", "refused", ReplyState.FAILED],
  ["refused before a claim", refused, FRESH, "FAILED", "refused", ReplyState.FAILED],
  ["refused, perhaps sent before", refused, PERHAPS, "UNKNOWN", "refused", ReplyState.UNKNOWN],
  ["failed", failed, CLAIMED, "PENDING", "failed", ReplyState.FAILED],
  ["no connection", failed, FRESH, "PENDING", "failed", undefined],
  ["unknown", unknown, CLAIMED, "PENDING", "unknown", ReplyState.UNKNOWN],
  ["stale", notSent("stale"), FRESH, "SUPPRESSED_STALE", "stale", ReplyState.SUPPRESSED_STALE],
  ["stale, claimed before", notSent("stale"), CLAIMED, "UNKNOWN", "stale", ReplyState.UNKNOWN],
  ["stale, perhaps sent", notSent("stale"), PERHAPS, "UNKNOWN", "stale", ReplyState.UNKNOWN],
  ["stale since a restore", notSent("raised"), FRESH, "UNKNOWN", "stale", ReplyState.UNKNOWN],
  ["already sent", notSent("already_sent"), PERHAPS, "SENT", "sent", undefined],
  ["not accepted", notSent("refused"), FRESH, "FAILED", "refused", ReplyState.FAILED],
  ["identity away", notSent("unavailable"), FRESH, "PENDING", "unavailable", undefined],
  ["claim too old", notSent("unavailable"), CLAIMED, "PENDING", "unavailable", ReplyState.FAILED],
  ["expired", notSent("expired"), FRESH, "FAILED", "expired", ReplyState.FAILED],
  ["expired, perhaps sent", notSent("expired"), PERHAPS, "UNKNOWN", "expired", ReplyState.UNKNOWN],
] as const)("%s", (_, outcome, facts, state, stored, report) => {
  expect(endAttempt(outcome, facts, RULES)).toMatchObject({ state, outcome: stored, report });
});

test("the pause doubles with each failure in a row, and Retry-After comes before it", () => {
  const delay = (failureCount: number, outcome: SendOutcome = failed) =>
    endAttempt(outcome, { ...CLAIMED, failureCount }, RULES).delayMs;
  expect([0, 1, 2, 19].map((count) => delay(count))).toEqual([500, 1_000, 2_000, 150_000]);
  expect(delay(0, { ...failed, retryAfterMs: 7_000 })).toBe(7_500);
  expect(endAttempt(notSent("unavailable"), FRESH, RULES).delayMs).toBe(100);
});

test("whose failures they are: one side's outage makes the other's pauses no longer", () => {
  const away = notSent("unavailable");
  const ends = (outcome: SendOutcome, facts: AttemptFacts) => {
    const { failureCount, unavailableCount, delayMs } = endAttempt(outcome, facts, RULES);
    return { failureCount, unavailableCount, delayMs };
  };
  const known = { ...CLAIMED, failureCount: 2, unavailableCount: 9 };
  expect(ends(failed, known)).toEqual({ failureCount: 3, unavailableCount: 0, delayMs: 2_000 });
  expect(ends(unknown, known)).toEqual({ failureCount: 3, unavailableCount: 0, delayMs: 2_000 });
  const unknownYet = { ...FRESH, failureCount: 9, unavailableCount: 2 };
  expect(ends(away, unknownYet)).toEqual({ failureCount: 9, unavailableCount: 3, delayMs: 400 });
  // Without a word from session-identity: a receiver that cannot be connected to.
  expect(ends(failed, unknownYet)).toMatchObject({ failureCount: 10, unavailableCount: 2 });
});

test("a piece that was taken, and a pause that the channel asks for, are no failures", () => {
  const facts = { ...CLAIMED, failureCount: 3 };
  expect(endAttempt(accepted, facts, RULES)).toMatchObject({ failureCount: 0, delayMs: 0 });
  expect(endAttempt(paced, facts, RULES)).toMatchObject({ failureCount: 3, delayMs: 900 });
  expect(endAttempt(failed, facts, RULES)).toMatchObject({ failureCount: 4, hasAccepted: false });
});

test("what is a dead letter: given up on, and not what was reset away", () => {
  const isDead = (outcome: SendOutcome, facts: AttemptFacts = CLAIMED) =>
    isDeadLetter(endAttempt(outcome, facts, RULES));
  expect([refused, notSent("expired"), held].map((outcome) => isDead(outcome))).toEqual([
    true,
    true,
    true,
  ]);
  expect([sent, accepted, failed, notSent("stale")].map((outcome) => isDead(outcome))).toEqual([
    false,
    false,
    false,
    false,
  ]);
});

const outcomes = fc.oneof(
  fc.constantFrom(sent, failed, refused, unknown),
  fc
    .constantFrom<NotSent[]>("stale", "raised", "already_sent", "refused", "unavailable", "expired")
    .map((why) => notSent(why)),
);

test("whatever the attempts come to, perhaps sent is never forgotten and no state is left out", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(outcomes, fc.boolean()), { maxLength: 12 }), (attempts) => {
      let facts = FRESH;
      let wasUnknown = false;
      for (const [outcome, connects] of attempts) {
        const claimedNow = outcome.kind === "sent" || outcome.kind === "unknown" || connects;
        facts = { ...facts, claimedNow, wasClaimed: facts.wasClaimed || claimedNow };
        const ending = endAttempt(outcome, facts, RULES);
        wasUnknown ||= outcome.kind === "unknown";
        expect(mayBecome("SENDING", ending.state)).toBe(true);
        expect(ending.perhapsSent).toBe(wasUnknown);
        if (ending.state === "SUPPRESSED_STALE") expect(facts.wasClaimed).toBe(false);
        if (wasUnknown) expect(["PENDING", "SENT", "UNKNOWN"]).toContain(ending.state);
        if (hasEnded(ending.state)) return;
        const { failureCount, unavailableCount, perhapsSent } = ending;
        facts = { ...facts, failureCount, unavailableCount, perhapsSent };
      }
    }),
  );
});

test("the table has every state of the protos under its number", () => {
  const { UNSPECIFIED: _, ...states } = DeliveryState;
  const table = Object.fromEntries(DELIVERY_STATE_NAMES.map((name) => [name, stateCode(name)]));
  expect(table).toEqual(states);
});
