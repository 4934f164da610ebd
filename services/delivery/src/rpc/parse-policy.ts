import {
  OnFailure,
  OnUnknown,
  type RoutePolicy,
} from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { invalid } from "@lanekeeper/rpc";

/** A policy as a caller states it; undefined: nothing was said. */
export interface StatedPolicy {
  readonly onFailure: OnFailure | undefined;
  readonly onUnknown: OnUnknown | undefined;
}

/** @throws INVALID_REQUEST for a number that is no policy */
export function parsePolicy(policy: RoutePolicy | undefined): StatedPolicy {
  return {
    onFailure: stated("policy.on_failure", OnFailure, policy?.onFailure),
    onUnknown: stated("policy.on_unknown", OnUnknown, policy?.onUnknown),
  };
}

function stated<T extends number>(
  field: string,
  policies: Readonly<Record<string, T>>,
  value: T | undefined,
): T | undefined {
  if (value === undefined || value === 0) return undefined;
  if (!Object.values(policies).includes(value)) throw invalid(field, "is no policy");
  return value;
}
