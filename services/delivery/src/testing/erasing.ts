import { create } from "@bufbuild/protobuf";
import {
  ListErasuresToDoResponseSchema,
  ReportErasureResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { systemClock } from "@lanekeeper/service";
import { captureLog } from "@lanekeeper/service/testing";
import { type ErasureDeps, erasureSweep } from "../erasing/erasure-sweep.ts";
import { LIMITS } from "../limits.ts";
import type { DeliveryDatabase } from "../store/sql.ts";
import { ErasuresStandIn } from "./erasures-stand-in.ts";

/** A replica's looks at what is to be erased, on a database, without the rest of it. */
export function eraserOf(db: DeliveryDatabase, erasures = new ErasuresStandIn()) {
  const log = captureLog();
  const never = new AbortController().signal;
  const identity = {
    listErasuresToDo: async (request) =>
      create(
        ListErasuresToDoResponseSchema,
        erasures.list({ pageSize: 50, afterErasureId: "", ...request }),
      ),
    reportErasure: async ({ erasureId = "", done = false }, options) =>
      create(
        ReportErasureResponseSchema,
        erasures.report({ erasureId, done }, options?.tenant ?? ""),
      ),
  } as ErasureDeps["identity"];
  const deps = { db, identity, clock: systemClock, log: log.log };
  const sweep = (limits: Partial<ErasureDeps["limits"]> = {}, others: Partial<ErasureDeps> = {}) =>
    erasureSweep({ ...deps, ...others, limits: { ...LIMITS, ...limits } });
  return {
    ...{ erasures, log, sweep },
    /** One look of a replica that has just come up. */
    look: (limits?: Partial<ErasureDeps["limits"]>, others?: Partial<ErasureDeps>) =>
      sweep(limits, others)(never),
    /** What was written for people, debug lines left out. */
    told: () => log.lines.filter(({ level }) => level !== "debug"),
  };
}
