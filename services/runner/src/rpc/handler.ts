import type { RunnerService } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { Routes } from "@lanekeeper/rpc";
import type { RunnerContext } from "../context.ts";

/** Makes the handler of one RPC. */
export type Handler<Name extends keyof Routes<typeof RunnerService>> = (
  context: RunnerContext,
) => Routes<typeof RunnerService>[Name];
