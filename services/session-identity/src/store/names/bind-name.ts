import type { Replica } from "../../replica.ts";
import type { Db } from "../db.ts";
import { readNowMs } from "../moments.ts";
import { acceptedRow, type Asker } from "../journal/journal-rows.ts";
import { BatchWrites, type NewBinding } from "../batch/write-batch.ts";
import { readMayBind } from "./may-bind.ts";

/** Binds a name without a session; whoever was first stands. False: the tenant holds as many as it may. */
export function bindName(
  db: Db,
  binding: NewBinding,
  asker: Asker,
  replica: Replica,
): Promise<boolean> {
  return db.transaction(async (tx) => {
    const [mayBind = false] = await readMayBind(tx, [binding]);
    if (!mayBind) return false;
    const nowMs = await readNowMs(tx);
    const writes = new BatchWrites(replica);
    writes.binding(binding, nowMs);
    const { tenant, sessionKey, ruleSetVersion, kind, name } = binding;
    const about = { tenant, sessionKey, nowMs, ruleSetVersion, asker };
    const note = `${kind} name, by ${binding.source}`;
    writes.journal(acceptedRow(about, { operation: "register_key", rawKey: name, note }));
    await writes.flush(tx);
    return true;
  });
}
