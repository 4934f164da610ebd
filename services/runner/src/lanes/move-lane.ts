import { moveWaiting } from "../store/lanes/move-waiting.ts";
import type { RunnerDeps } from "../deps.ts";
import { persist } from "../persist.ts";
import type { LaneTurn } from "../store/turn-row.ts";
import { callFor } from "../turn-fields.ts";

/**
 * The key of a lane was merged into another: its turns wait behind the survivor's, in order, as if they
 * had been admitted under the survivor's generation of now; those that ask for their own stay, and fail.
 * Gives the survivor's key.
 */
export async function moveLane(deps: RunnerDeps, turn: LaneTurn): Promise<string | undefined> {
  const { identity, db } = deps;
  const call = callFor(turn);
  const by = (value: string) => ({ session: { case: "sessionKey" as const, value } });
  const { session: moved } = await identity.getSession(by(turn.sessionKey), call);
  const survivor = moved?.movedToSessionKey ?? "";
  if (survivor === "") return undefined;
  const { session } = await identity.getSession(by(survivor), call);
  const ref = session?.ref;
  if (ref === undefined) return undefined;
  const { tenant, sessionKey } = turn;
  await persist(deps, "move a lane", () => moveWaiting(db, tenant, sessionKey, ref));
  return ref.sessionKey;
}
