import type { CanonicalKey } from "@lanekeeper/session-key";
import {
  type ActiveRun,
  type KeyState,
  NONE_ABSORBED,
  type Standing,
} from "../domain/key-state.ts";

/** States for tests of the rules, each with what the test does not care about filled in. */
export function standing(change: Partial<Standing> = {}): Standing {
  return {
    sessionId: "00000000-0000-7000-8000-000000000001",
    generation: 1n,
    parentSessionId: undefined,
    runEpoch: 0n,
    activeRun: undefined,
    lastRun: undefined,
    oldestRunnable: 1n,
    oldestDeliverable: 1n,
    createMs: 0,
    rotateMs: 0,
    personMs: undefined,
    used: false,
    ...change,
  };
}

standing.run = (change: Partial<ActiveRun> = {}): ActiveRun => ({
  runId: "00000000-0000-7000-8000-00000000000a",
  turnId: "turn-a",
  turnClass: "person",
  epoch: 1n,
  beginGeneration: 1n,
  lastEventSeq: 0n,
  leaseMs: 15_000,
  leaseExpireMs: 15_000,
  startMs: 0,
  heartbeatMs: 0,
  model: "",
  ...change,
});

/** A row as first contact makes it, before a session stands there. */
export function blankKey(key = "agent:main:chat"): KeyState {
  return {
    tenant: "acme",
    sessionKey: key as CanonicalKey,
    agentId: "main",
    revision: 0n,
    internal: false,
    aliasOf: undefined,
    movedTo: undefined,
    absorbed: NONE_ABSORBED,
    ruleSetVersion: 1,
    source: "resolve",
    bindMs: 0,
    keptUntilMs: undefined,
    erasureId: undefined,
    session: undefined,
  };
}
