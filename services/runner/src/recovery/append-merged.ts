import type { AbsorbedSessions } from "../answering/absorbed.ts";
import type { RunnerDeps } from "../deps.ts";
import type { OnMerged } from "../runs/rotations.ts";
import type { Errands } from "./errands.ts";

/**
 * What a merged session said stands in the survivor's transcript once they are merged, for who reads it, and not
 * only when somebody speaks there. Where a turn of the merged key has not ended, the survivor's next run sees to it.
 */
export function appendingMerged(
  { identity }: Pick<RunnerDeps, "identity">,
  absorbed: AbsorbedSessions,
  errands: Errands,
): OnMerged {
  return (tenant, { survivorSessionKey }) => {
    errands.add({
      about: { tenant, session_key: survivorSessionKey },
      undone: "what a merged session said is not appended",
      run: async (signal) => {
        const call = { tenant, signal };
        const by = { case: "sessionKey" as const, value: survivorSessionKey };
        const { session } = await identity.getSession({ session: by }, call);
        await absorbed.append(tenant, session, call);
      },
    });
  };
}
