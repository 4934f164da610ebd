import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { ManualClock } from "@lanekeeper/service/testing";
import { expect, test } from "vitest";
import type { RunnerDeps } from "../deps.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { LocalRun } from "./local-runs.ts";

const LEASE_MS = 15_000;

/** A run whose grant was so long on its way; session-identity takes every renewal. */
function granted(onItsWayMs: number, renew: () => Promise<boolean> = async () => true) {
  const clock = new ManualClock();
  const renewedAtMs: number[] = [];
  const aborted: string[] = [];
  const startMs = clock.monotonicMs();
  const deps = {
    leaseMs: LEASE_MS,
    clock,
    steps: { renew },
    identity: {
      writeLifecycle: async () => {
        renewedAtMs.push(clock.monotonicMs() - startMs);
        return { leaseDuration: durationFromMs(LEASE_MS) };
      },
    },
  } as unknown as RunnerDeps;
  const heartbeat = new Heartbeat(deps, {
    run: {} as LocalRun,
    grant: {} as { fence: never },
    call: {},
    leaseUntilMs: startMs + LEASE_MS - onItsWayMs,
    abort: ({ kind }) => void aborted.push(kind),
  });
  return { clock, heartbeat, renewedAtMs, aborted };
}

test("a run whose key was granted late renews its lease before that is over", async () => {
  const onItsWayMs = 14_000;
  const { clock, heartbeat, renewedAtMs, aborted } = granted(onItsWayMs);
  await clock.advance(LEASE_MS - onItsWayMs - 1);
  expect(renewedAtMs).toHaveLength(1);
  await clock.advance(LEASE_MS);
  await heartbeat.stop();
  expect(aborted).toEqual([]);
});

test("one whose key was granted at once does so after a third of the lease", async () => {
  const { clock, heartbeat, renewedAtMs } = granted(2);
  await clock.advance(LEASE_MS / 3);
  await heartbeat.stop();
  expect(renewedAtMs).toEqual([LEASE_MS / 3]);
});

test("a statement that is stuck keeps no lease from being renewed, and nothing is sent after it", async () => {
  let statements = 0;
  const stuck = () => {
    statements += 1;
    return new Promise<boolean>(() => undefined);
  };
  const { clock, heartbeat, renewedAtMs, aborted } = granted(2, stuck);
  await clock.advance(LEASE_MS * 4);
  await heartbeat.stop();
  expect(renewedAtMs).toHaveLength(12);
  expect(statements).toBe(1);
  expect(aborted).toEqual([]);
});

test("a turn that is the run's no more is dropped, unless the run is at its end anyway", async () => {
  let answer: (holds: boolean) => void = () => undefined;
  const gone = () => new Promise<boolean>((resolve) => (answer = resolve));
  const during = granted(2, gone);
  await during.clock.advance(LEASE_MS / 3);
  answer(false);
  await during.clock.advance(1);
  expect(during.aborted).toEqual(["lost"]);
  const after = granted(2, gone);
  await after.clock.advance(LEASE_MS / 3);
  await after.heartbeat.stop();
  answer(false);
  await after.clock.advance(1);
  expect(after.aborted).toEqual([]);
});
