import type { ErasedKey, Erasure } from "../../domain/erasure.ts";
import type { Tx } from "../db.ts";
import { type ErasureRow, erasureOf, keysJson } from "./erasure-row.ts";
import type { Holder } from "./read-erasures.ts";

const INSERT = {
  name: "insert_erasure",
  text: `
    insert into erasures (tenant, erasure_id, keys, principal, note, perhaps_sent_count, create_time)
    values ($1, $2, $3::jsonb, $4, $5, $6, $7)`,
};

export async function insertErasure(tx: Tx, erasure: Erasure): Promise<void> {
  const { tenant, erasureId, keys, principal, note, perhapsSentCount, createMs } = erasure;
  await tx.query(INSERT, [
    ...[tenant, erasureId, keysJson(keys), principal, note, perhapsSentCount, new Date(createMs)],
  ]);
}

const LOCK = {
  name: "lock_erasure",
  text: "select * from erasures where tenant = $1 and erasure_id = $2 for update",
};

/** Locks it until the transaction ends. */
export async function lockErasure(
  tx: Tx,
  tenant: string,
  erasureId: string,
): Promise<Erasure | undefined> {
  const { rows } = await tx.query<ErasureRow>(LOCK, [tenant, erasureId]);
  return rows[0] && erasureOf(rows[0]);
}

const SET_KEYS = {
  name: "set_erased_keys",
  text: "update erasures set keys = $3::jsonb where tenant = $1 and erasure_id = $2",
};

export async function setErasedKeys(
  tx: Tx,
  { tenant, erasureId }: Erasure,
  keys: readonly ErasedKey[],
): Promise<void> {
  await tx.query(SET_KEYS, [tenant, erasureId, keysJson(keys)]);
}

const setDone = (holder: Holder) => ({
  name: `erasure_done_by_${holder}`,
  text: `update erasures set ${holder}_time = clock_timestamp()
    where tenant = $1 and erasure_id = $2 and ${holder}_time is null`,
});

const SET_DONE = { runner: setDone("runner"), delivery: setDone("delivery") };

export async function setDoneBy(
  tx: Tx,
  { tenant, erasureId }: Erasure,
  holder: Holder,
): Promise<void> {
  await tx.query(SET_DONE[holder], [tenant, erasureId]);
}

const END = {
  name: "end_erasure",
  text: `update erasures set keys = '[]', end_time = clock_timestamp(), returned = $3
    where tenant = $1 and erasure_id = $2`,
};

/** From here on it names nobody. */
export async function endErasure(
  tx: Tx,
  { tenant, erasureId }: Erasure,
  returned: boolean,
): Promise<void> {
  await tx.query(END, [tenant, erasureId, returned]);
}
