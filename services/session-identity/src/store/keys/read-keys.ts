import type { KeyState } from "../../domain/key-state.ts";
import type { RunRecord } from "../../domain/records.ts";
import type { Query } from "../db.ts";
import { type KeyRow, stateOf } from "./key-row.ts";
import { type RunRow, runOf } from "../batch/record-rows.ts";

export interface KeyWanted {
  readonly tenant: string;
  readonly sessionKey: string;
  /** The run whose record is wanted beside the row. */
  readonly runId: string | undefined;
}

export interface KeyFound {
  readonly state: KeyState | undefined;
  readonly run: RunRecord | undefined;
}

const READ_KEYS = {
  name: "read_keys",
  text: `
    select
      (select to_json(k) from session_keys k
        where k.tenant = w.tenant and k.session_key = w.session_key) as key,
      (select to_json(r) from runs r where r.tenant = w.tenant and r.run_id = w.run_id) as run
    from unnest($1::text[], $2::text[], $3::uuid[])
      with ordinality as w(tenant, session_key, run_id, place)
    order by w.place`,
};

/** Rows as they are committed, in order; row and run come from one snapshot. */
export async function readKeys(
  query: Query,
  wanted: readonly KeyWanted[],
): Promise<readonly KeyFound[]> {
  const { rows } = await query.query<{ key: KeyRow | null; run: RunRow | null }>(READ_KEYS, [
    wanted.map(({ tenant }) => tenant),
    wanted.map(({ sessionKey }) => sessionKey),
    wanted.map(({ runId }) => runId ?? null),
  ]);
  return rows.map(({ key, run }) => ({
    state: key === null ? undefined : stateOf(key),
    run: run === null ? undefined : runOf(run),
  }));
}
