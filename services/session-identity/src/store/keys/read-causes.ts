import type { CauseQuery } from "../../domain/refusal.ts";
import type { Rotation } from "../../domain/records.ts";
import type { Query } from "../db.ts";
import { type RotationRow, rotationOf } from "../batch/record-rows.ts";

export interface CauseWanted {
  readonly tenant: string;
  readonly sessionKey: string;
  readonly query: CauseQuery;
}

const READ_CAUSES = {
  name: "read_causes",
  text: `
    select g.* from unnest($1::text[], $2::text[], $3::bigint[], $4::boolean[])
      with ordinality as w(tenant, session_key, generation, is_exact, place)
    left join lateral (
      select * from generations g
      where g.tenant = w.tenant and g.session_key = w.session_key and g.reason is not null
        and case when w.is_exact then g.generation = w.generation else g.generation > w.generation end
      order by g.generation limit 1
    ) g on true
    order by w.place`,
};

/** The rotations that ended rights, in order; only refusals ask for them, so they are read apart. */
export async function readCauses(
  query: Query,
  wanted: readonly CauseWanted[],
): Promise<readonly (Rotation | undefined)[]> {
  const { rows } = await query.query<RotationRow | Record<keyof RotationRow, null>>(READ_CAUSES, [
    wanted.map(({ tenant }) => tenant),
    wanted.map(({ sessionKey }) => sessionKey),
    wanted.map(({ query: cause }) => ("into" in cause ? cause.into : cause.after)),
    wanted.map(({ query: cause }) => "into" in cause),
  ]);
  return rows.map((row) => (row.session_id === null ? undefined : rotationOf(row)));
}
