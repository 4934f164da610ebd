import type { Rotation } from "../../domain/records.ts";
import type { Query } from "../db.ts";
import { type RotationRow, rotationOf } from "../batch/record-rows.ts";

const LIST_ROTATIONS = {
  name: "list_rotations",
  text: `
    select * from generations
    where tenant = $1 and session_key = $2 and reason is not null and generation < $3
    order by generation desc limit $4`,
};

/** Beyond every generation: the first page. */
const NEWEST = 2n ** 63n - 1n;

/** Rotations of a key, newest first, before a generation. */
export async function listRotations(
  query: Query,
  tenant: string,
  sessionKey: string,
  limit: number,
  before: bigint = NEWEST,
): Promise<readonly Rotation[]> {
  const params = [tenant, sessionKey, before, limit];
  const { rows } = await query.query<RotationRow>(LIST_ROTATIONS, params);
  return rows.map(rotationOf);
}
