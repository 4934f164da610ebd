import { create } from "@bufbuild/protobuf";
import { type Session, SessionSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { captureLog, ManualClock } from "@lanekeeper/service/testing";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import type { RunnerDeps } from "../deps.ts";
import { gate } from "../testing/gate.ts";
import { RotatedBehind } from "./rotated-behind.ts";

const rotated = (sessionKey: string): Session =>
  create(SessionSchema, { ref: { sessionKey, sessionId: "s", generation: 2n } });

test("lanes behind a rotated run are looked at no more at the end, and a look that has begun is waited for", async () => {
  const clock = new ManualClock();
  const { log, lines } = captureLog();
  const answered = gate();
  let asked = 0;
  const query = async () => {
    asked += 1;
    await answered.opened;
    return { rows: [{ activeTurnId: "turn-1" }], rowCount: 1 };
  };
  const deps = { db: { query }, clock, log } as unknown as RunnerDeps;
  const takenOver: unknown[] = [];
  const takeovers = { takeOver: (turn: unknown) => void takenOver.push(turn) };
  const behind = new RotatedBehind(deps, takeovers, { hasLane: () => true });
  behind.onRotated("t", rotated("agent:main:a"));
  await clock.advance(LIMITS.rotatedGraceMs);
  expect(asked).toBe(1);
  behind.onRotated("t", rotated("agent:main:b"));
  const told: string[] = [];
  const stopped = behind.stop().then(() => told.push("stopped"));
  behind.onRotated("t", rotated("agent:main:c"));
  await clock.advance(LIMITS.rotatedGraceMs);
  expect(clock.waiting).toBe(0);
  told.push("answered");
  answered.open();
  await stopped;
  expect(told).toEqual(["answered", "stopped"]);
  // Neither of the others, nor for the turn that the first was about.
  expect(asked).toBe(1);
  expect(takenOver).toEqual([]);
  expect(lines).toEqual([]);
});
