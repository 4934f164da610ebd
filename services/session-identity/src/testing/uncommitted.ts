import type { Db } from "../store/db.ts";
import { HELD_FOR_LONG } from "./locks.ts";

/** A change as the engine writes it, in a transaction that stays open until `commit`. */
export async function changeUncommitted(db: Db, tenant: string, key: string) {
  let commit = () => undefined as void;
  const released = new Promise<void>((resolve) => {
    commit = resolve;
  });
  let written = () => undefined as void;
  const isWritten = new Promise<void>((resolve) => {
    written = resolve;
  });
  const done = db.transaction(async (tx) => {
    await tx.query(HELD_FOR_LONG);
    await tx.query(
      `with changed as (
         update session_keys set revision = revision + 1 where tenant = $1 and session_key = $2 returning *
       )
       insert into session_changes (tenant, session_key, agent_id, state)
       select tenant, session_key, agent_id, to_jsonb(changed) from changed`,
      [tenant, key],
    );
    written();
    await released;
  });
  await isWritten;
  return {
    commit: async () => {
      commit();
      await done;
    },
  };
}
