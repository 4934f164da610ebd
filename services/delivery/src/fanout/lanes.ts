import { create } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { type LaneState, LaneStateSchema } from "@lanekeeper/protocol/lanekeeper/runner/v1/lane";
import { type Told, told } from "./told.ts";

/** A lane as it was told, and when. */
interface Known {
  readonly lane: LaneState;
  /** On this process' monotonic clock. */
  readonly atMs: number;
}

/** Lanes that have work, by tenant and key. */
export class Lanes {
  readonly #tenants = new Map<string, Map<string, Known>>();

  /** Keeps it as it stands; one without work is forgotten. */
  set(tenant: string, lane: LaneState, atMs: number): void {
    if (!hasWork(lane)) return this.#delete(tenant, lane.sessionKey);
    const lanes = this.#tenants.get(tenant) ?? new Map<string, Known>();
    this.#tenants.set(tenant, lanes);
    lanes.set(lane.sessionKey, { lane, atMs });
  }

  has(tenant: string, sessionKey: string): boolean {
    return this.#tenants.get(tenant)?.has(sessionKey) ?? false;
  }

  /** As they stand at this moment: a heartbeat is as old as it was, and what has passed since. */
  *of(tenant: string, nowMs: number): Generator<LaneState> {
    for (const known of this.#tenants.get(tenant)?.values() ?? []) yield aged(known, nowMs);
  }

  *entries(): Generator<readonly [tenant: string, lane: LaneState]> {
    for (const [tenant, lanes] of this.#tenants) {
      for (const { lane } of lanes.values()) yield [tenant, lane];
    }
  }

  #delete(tenant: string, sessionKey: string): void {
    const lanes = this.#tenants.get(tenant);
    lanes?.delete(sessionKey);
    if (lanes?.size === 0) this.#tenants.delete(tenant);
  }
}

function hasWork({ depth, holder }: LaneState): boolean {
  return depth > 0 || holder !== undefined;
}

/** What is told of a lane whose work is done. */
export function withoutWork({ sessionKey }: LaneState): LaneState {
  return create(LaneStateSchema, { sessionKey });
}

export function toldLane(kind: "snapshot" | "changed", lane: LaneState): Told {
  return told({ lane: { event: { case: kind, value: lane } } });
}

export function toldLanesEnd(): Told {
  return told({ lane: { event: { case: "snapshotEnd", value: {} } } });
}

function aged({ lane, atMs }: Known, nowMs: number): LaneState {
  const age = lane.holder?.heartbeatAge;
  if (lane.holder === undefined || age === undefined) return lane;
  const heartbeatAge = durationFromMs(Math.round(durationMs(age) + nowMs - atMs));
  return { ...lane, holder: { ...lane.holder, heartbeatAge } };
}
