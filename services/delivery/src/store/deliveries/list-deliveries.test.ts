import { expect, test } from "vitest";
import { endAttempt } from "../../domain/attempt-ending.ts";
import { DELIVERY_STATE_NAMES, stateCode } from "../../domain/delivery-state.ts";
import type { SendOutcome } from "../../domain/send-outcome.ts";
import { newDelivery } from "../../testing/rows.ts";
import { QUICK } from "../../testing/test-delivery.ts";
import { readBacklog } from "./backlog.ts";
import { listDeliveries } from "./list-deliveries.ts";
import { testStore } from "../../testing/test-store.ts";

const store = testStore();
const { route, add, claim, sent } = store;

test("each state lists what stands in it, and nothing else", async () => {
  const routeId = await route();
  const outcomes: Record<string, SendOutcome> = {
    SENT: { kind: "sent", providerMessageId: "" },
    FAILED: { kind: "refused", error: "410" },
    UNKNOWN: { kind: "held", error: "nobody can tell" },
    SUPPRESSED_STALE: { kind: "not_sent", why: "stale", error: "reset" },
  };
  for (const [turn, outcome] of Object.entries(outcomes)) {
    await add(newDelivery(routeId, turn));
    const [head] = await claim("a");
    if (head === undefined) throw new Error("nothing was claimed");
    const facts = {
      failureCount: 0,
      unavailableCount: 0,
      wasClaimed: false,
      claimedNow: false,
      perhapsSent: false,
    };
    const ending = endAttempt(outcome, facts, { ...QUICK, random: 0 });
    const rest = { wasClaimed: false, pieceCount: 1, untold: undefined, wantsNext: false };
    await store.steps.finish({ claimed: head, ending, ...rest });
  }
  for (const turn of ["SENDING", "PENDING"]) await add(newDelivery(routeId, turn));
  await claim("a");
  for (const name of DELIVERY_STATE_NAMES) {
    const filter = { tenant: "acme", state: stateCode(name), agents: [], keyPrefixes: [] };
    const bounds = { limit: 10, maxBytes: 1_000 };
    const wanted = { ...filter, deadLettersOnly: false };
    const { page: listed } = await listDeliveries(store.db, wanted, bounds);
    expect(listed.map(({ turnId }) => turnId)).toEqual([name]);
  }
});

test("the backlog tells of what is open by its age, within its bound", async () => {
  const routeId = await route();
  for (const turn of ["turn-1", "turn-2", "turn-3"]) await add(newDelivery(routeId, turn));
  const [head] = await claim("a");
  if (head === undefined) throw new Error("nothing was claimed");
  await sent(head);
  await store.db.query(
    "UPDATE deliveries SET create_time = now() - interval '5 min' WHERE route_seq = 3",
  );
  const backlog = await readBacklog(store.db, 10);
  expect(backlog.toSorted((a, b) => a.age.localeCompare(b.age))).toEqual([
    { age: "under_10m", count: 1 },
    { age: "under_10s", count: 1 },
  ]);
  expect(await readBacklog(store.db, 1)).toHaveLength(1);
});
