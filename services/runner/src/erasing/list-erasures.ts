import type { Erasure } from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import { isRetryable, isUnimplemented } from "@lanekeeper/rpc";
import type { RunnerDeps } from "../deps.ts";
import { LIMITS } from "../limits.ts";

type ListDeps = Pick<RunnerDeps, "identity">;

/** What is to be erased, of all tenants, after an erasure; none: there is no more. */
export async function nextErasures(
  { identity }: ListDeps,
  afterErasureId: string,
): Promise<readonly Erasure[]> {
  const request = { pageSize: LIMITS.erasuresPage, afterErasureId };
  try {
    return (await identity.listErasuresToDo(request)).erasures;
  } catch (error) {
    // It may be of the release before, which erases nothing.
    if (isUnimplemented(error)) return [];
    throw error;
  }
}

/** Whether session-identity could not be asked: next time it can. */
export function isAway(error: unknown): boolean {
  return isRetryable(error);
}
