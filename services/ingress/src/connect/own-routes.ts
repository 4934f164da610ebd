import type { RunnerService } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import type { Routes } from "@lanekeeper/rpc";
import { type RouteJudge, requireRoute } from "../rpc/require-route.ts";

/**
 * Turns of a bound credential answer at routes of its own keys alone: the runner knows which session a turn is
 * of, and delivery alone whose a route is.
 */
export function requireOwnRoutes(
  routes: Routes<typeof RunnerService>,
  delivery: RouteJudge,
): Routes<typeof RunnerService> {
  return {
    ...routes,
    submitTurn: async (request, call) => {
      await requireRoute(delivery, call, request.routeId);
      return routes.submitTurn(request, call);
    },
    attachTurn: async function* (request, call) {
      const { target } = request;
      if (target.case === "submit") await requireRoute(delivery, call, target.value.routeId);
      yield* routes.attachTurn(request, call);
    },
  };
}
