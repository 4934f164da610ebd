import { LIMITS } from "../../limits.ts";
import type { Replica } from "../../replica.ts";
import type { Db } from "../db.ts";
import { NOW_MS } from "../moments.ts";
import { acceptedRow, type Asker } from "../journal/journal-rows.ts";
import { BatchWrites, type NewBinding } from "../batch/write-batch.ts";

/** Binds a name without a session; whoever was first stands. False: the tenant holds as many as it may. */
export function bindName(
  db: Db,
  binding: NewBinding,
  asker: Asker,
  replica: Replica,
): Promise<boolean> {
  return db.transaction(async (tx) => {
    const { rows } = await tx.query<{ held: bigint; now_ms: number }>(
      `select coalesce(sum(binding_count), 0)::bigint as held,
         ${NOW_MS} as now_ms
       from tenant_usage where tenant = $1`,
      [binding.tenant],
    );
    const [now] = rows;
    if (now === undefined || now.held >= LIMITS.maxKeysPerTenant) return false;
    const writes = new BatchWrites(replica);
    writes.binding(binding, now.now_ms);
    const { tenant, sessionKey, ruleSetVersion, kind, name } = binding;
    const about = { tenant, sessionKey, nowMs: now.now_ms, ruleSetVersion, asker };
    const note = `${kind} name, by ${binding.source}`;
    writes.journal(acceptedRow(about, { operation: "register_key", rawKey: name, note }));
    await writes.flush(tx);
    return true;
  });
}
