import type { CanonicalKey } from "@lanekeeper/session-key";
import type { Rotation } from "../../domain/records.ts";
import type { Query } from "../db.ts";
import { type RotationRow, rotationOf } from "../batch/record-rows.ts";

export interface GenerationFound {
  readonly sessionKey: CanonicalKey;
  readonly agentId: string;
  /** What brought it there; undefined for the first session of a key. */
  readonly rotation: Rotation | undefined;
}

const FIND_GENERATION = {
  name: "find_generation",
  text: "select * from generations where session_id = $2 and tenant = $1",
};

/** Where a session stands or stood. */
export async function findGeneration(
  query: Query,
  tenant: string,
  sessionId: string,
): Promise<GenerationFound | undefined> {
  const { rows } = await query.query<Omit<RotationRow, "reason"> & { reason: string | null }>(
    FIND_GENERATION,
    [tenant, sessionId],
  );
  const row = rows[0];
  if (row === undefined) return undefined;
  const { reason, session_key: key, agent_id: agentId } = row;
  const rotation = reason === null ? undefined : rotationOf({ ...row, reason });
  return { sessionKey: key as CanonicalKey, agentId, rotation };
}
