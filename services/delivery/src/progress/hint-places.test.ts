import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { captureLog, ManualClock } from "@lanekeeper/service/testing";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import type { HintPlaceRow } from "../store/routes/read-hint-place.ts";
import type { Sql } from "../store/sql.ts";
import { Hints } from "./hints.ts";

/** Each route's place has the route's name for its address. */
const query = async (_statement: unknown, params: readonly unknown[] = []) => {
  const place = { kind: RouteKind.TELEGRAM, accountId: "bot", address: params[1], threadId: "" };
  return { rows: [place as HintPlaceRow], rowCount: 1 };
};

test("the last hints of so many places are remembered; one that was forgotten is shown a hint too early, and no other", async () => {
  const shown: string[] = [];
  const hint = async ({ address }: { readonly address: string }) => {
    shown.push(address);
    return { kind: "shown" } as const;
  };
  await using hints = new Hints({
    db: { query } as unknown as Sql,
    identity: { checkFence: async () => ({}) as never },
    channels: new Map([[RouteKind.TELEGRAM as number, { hint, send: () => Promise.reject() }]]),
    clock: new ManualClock(),
    log: captureLog().log,
    limits: { ...LIMITS, hintPlaces: 2 },
  });
  const about = { tenant: "t", sessionKey: "agent:main:x", sessionId: "s", generation: 1n };
  const who = { principal: "p", requestLabel: "r", traceparent: "" };
  const by = { turnId: "turn", ...who, phase: "running" } as const;
  const show = (...routeIds: string[]) => {
    for (const routeId of routeIds) hints.show({ ...about, ...by, routeId });
  };
  show("1", "2", "2", "1");
  show("3", "3", "2");
  show("1");
  await hints[Symbol.asyncDispose]();
  expect(shown.toSorted()).toEqual(["1", "1", "2", "3"]);
});
