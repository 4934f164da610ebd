import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import type { CallOptions } from "@lanekeeper/rpc";
import type { RunnerDeps } from "../deps.ts";

/**
 * The route of messages that answer no turn of a person, as delivery has it: the default one, or the only
 * one. Empty: there is none, or it would be a guess.
 * @throws what delivery answers, so also STORE_UNAVAILABLE while it is away.
 */
export async function defaultRouteOf(
  { delivery }: Pick<RunnerDeps, "delivery">,
  call: Pick<CallOptions, "tenant" | "principal" | "signal" | "within">,
  sessionKey: string,
): Promise<string> {
  const { routes } = await delivery.listRoutes({ sessionKey }, call);
  const [first, ...others] = routes.filter(({ kind }) => kind !== RouteKind.PARENT_SESSION);
  const marked = [first, ...others].find((route) => route?.isDefault === true);
  return (marked ?? (others.length === 0 ? first : undefined))?.routeId ?? "";
}
