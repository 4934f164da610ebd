import { RunnerService } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import {
  type Allow,
  allowAll,
  type AnyServiceBinding,
  exchangeHandler,
  type Routes,
  service,
} from "@lanekeeper/rpc";
import type { RunnerContext } from "../context.ts";
import { applyAgents } from "./apply-agents.ts";
import { attachTurn } from "./attach-turn.ts";
import { awaitTurn } from "./await-turn.ts";
import { cancelTurn } from "./cancel-turn.ts";
import { exportSession } from "./export-session.ts";
import { findTurn } from "./find-turn.ts";
import { getLane } from "./get-lane.ts";
import { getTurn } from "./get-turn.ts";
import { listAgents } from "./list-agents.ts";
import { listLanes } from "./list-lanes.ts";
import { listMessages } from "./list-messages.ts";
import { listTurns } from "./list-turns.ts";
import { reportCutOff } from "./report-cut-off.ts";
import { submitTurn } from "./submit-turn.ts";
import { told } from "./told.ts";
import { watchLanes } from "./watch-lanes.ts";

/**
 * Ingress for its callers, and the operator's program. Delivery fans states of lanes out, and hands replies of
 * subagents to the sessions that sent them.
 */
const ALLOW: Allow<typeof RunnerService> = {
  ...allowAll(RunnerService, "ingress", "cli"),
  watchLanes: ["ingress", "cli", "delivery"],
  submitTurn: ["ingress", "cli", "delivery"],
  exchange: ["ingress", "cli", "delivery"],
};

/** One handler per RPC: a method of the proto without one does not compile. */
export function runnerRoutes(context: RunnerContext): Routes<typeof RunnerService> {
  const routes = {
    submitTurn: told(submitTurn(context)),
    attachTurn: attachTurn(context),
    awaitTurn: told(awaitTurn(context)),
    reportCutOff: told(reportCutOff(context)),
    findTurn: told(findTurn(context)),
    getTurn: told(getTurn(context)),
    listTurns: told(listTurns(context)),
    cancelTurn: told(cancelTurn(context)),
    getLane: told(getLane(context)),
    listLanes: told(listLanes(context)),
    watchLanes: watchLanes(context),
    listMessages: told(listMessages(context)),
    exportSession: exportSession(context),
    applyAgents: told(applyAgents(context)),
    listAgents: told(listAgents(context)),
  } satisfies Omit<Routes<typeof RunnerService>, "exchange">;
  return { ...routes, exchange: exchangeHandler({ desc: RunnerService, routes, allow: ALLOW }) };
}

/** The service as it is served. */
export function runnerBinding(context: RunnerContext): AnyServiceBinding {
  return service({
    desc: RunnerService,
    routes: runnerRoutes(context),
    allow: ALLOW,
    tenantless: ["watchLanes", "exchange"],
  });
}
