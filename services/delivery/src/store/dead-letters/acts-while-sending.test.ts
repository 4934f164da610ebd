import { OnFailure } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { expect, test } from "vitest";
import { LIMITS } from "../../limits.ts";
import { newDelivery, newRoute } from "../../testing/rows.ts";
import { redriven, redrivenPastASlowOne } from "../../testing/slow-one.ts";
import { testStore } from "../../testing/test-store.ts";
import { configureRoute } from "../routes/configure-route.ts";
import { registerRoute } from "../routes/register-route.ts";
import type { Claimed } from "../sending/claimed.ts";
import { dismiss } from "./dismiss.ts";

const store = testStore();
const { route, add, claim, end, sent, failed } = store;

const REFUSED = { kind: "refused", error: "410" } as const;

/** turn-2 blocks the route, after its lease; before it turn-1 is being sent by another process, under its own. */
async function blockedWhileSending() {
  const routeId = await route();
  const { slow, again } = await redrivenPastASlowOne(store, routeId);
  await configureTo(routeId, OnFailure.BLOCK);
  await end(slow, REFUSED, true);
  return { routeId, blocker: slow, head: again };
}

function configureTo(routeId: string, onFailure: OnFailure) {
  const { tenant, sessionKey } = newRoute();
  const changer = { principal: "tester", note: "" };
  return configureRoute(store.db, { tenant, routeId, sessionKey }, { onFailure }, changer);
}

const leaseIsOver = () =>
  store.db.query("UPDATE routes SET due_time = now() WHERE due_time > now()");

/** How the route's head stands when somebody acts. */
const HEADS: Readonly<Record<string, (head: Claimed) => Promise<unknown>>> = {
  "being sent": async () => undefined,
  "lost with its process": leaseIsOver,
  "lost with its process, and found to be so": async () => {
    await leaseIsOver();
    expect(await claim("c")).toEqual([]);
  },
  "to be tried again later": (head) => failed(head, 60_000),
  due: (head) => failed(head),
};

/** Each lets the route go on. */
const ACTS: Readonly<Record<string, (blocker: Claimed) => Promise<unknown>>> = {
  "its blocker is dismissed": ({ tenant, deliveryId, routeId }) =>
    dismiss(store.db, { tenant, deliveryId, routeId, principal: "tester", note: "" }),
  "its blocker is redriven": (blocker) => redriven(store, blocker),
  "it is to skip": ({ routeId }) => configureTo(routeId, OnFailure.SKIP),
  "it is registered anew to skip": () =>
    registerRoute(store.db, { ...newRoute(), onFailure: OnFailure.SKIP }, LIMITS),
};

const LOST = { turnId: "turn-1", lostAttempt: true };
const CASES = [
  ["being sent", []],
  ["lost with its process", [LOST]],
  ["lost with its process, and found to be so", [LOST]],
  ["to be tried again later", []],
  ["due", [{ turnId: "turn-1", lostAttempt: false }]],
] as const;

test.each(
  Object.keys(ACTS).flatMap((act) => CASES.map(([head, found]) => [act, head, found] as const)),
)("a blocked route, %s while its head is %s", async (act, headState, found) => {
  const { routeId, blocker, head } = await blockedWhileSending();
  await HEADS[headState]?.(head);
  await ACTS[act]?.(blocker);
  await add(newDelivery(routeId, "turn-4"));
  expect(await claim("c")).toMatchObject(found);
  if (headState !== "being sent") return;
  expect(await sent(head)).toMatchObject({ held: true, hasNext: true });
  const next = act === "its blocker is redriven" ? "turn-2" : "turn-3";
  expect(await claim("c")).toMatchObject([{ turnId: next, lostAttempt: false }]);
});

test("a head that is lost while its route is blocked is found once the route goes on", async () => {
  const { blocker } = await blockedWhileSending();
  await ACTS["its blocker is redriven"]?.(blocker);
  await leaseIsOver();
  expect(await claim("c")).toMatchObject([LOST]);
});

test("what blocks a route does so until somebody acts, whatever ends before it meanwhile", async () => {
  const { blocker, head } = await blockedWhileSending();
  await end(head, REFUSED, true);
  await ACTS["its blocker is dismissed"]?.(head);
  expect(await claim("c")).toEqual([]);
  await ACTS["its blocker is dismissed"]?.(blocker);
  expect(await claim("c")).toMatchObject([{ turnId: "turn-3" }]);
});
