import { randomUUID } from "node:crypto";
import { systemIds } from "@lanekeeper/service";
import { Engine } from "../engine/engine.ts";
import { RULES } from "../names/rules.ts";
import type { Db } from "../store/db.ts";
import { asks, fenceOf, granted } from "./asks.ts";
import { ended } from "./commands.ts";
import type { TestDatabase } from "./database.ts";

const KEY = "agent:main:chat";

/** Replicas whose memory of keys is tested. */
export function remembering(database: TestDatabase) {
  /** A replica that tells how many commands it decided by memory, and what watchers have to hear of. */
  const replica = (db: Db = database.open()) => {
    const told = { written: 0, outdated: 0 };
    const changes: string[] = [];
    const engine = new Engine(
      { db, ids: systemIds, replica: { usageShard: 0, rules: RULES } },
      {
        byMemory: (written, outdated) => {
          told.written += written;
          told.outdated += outdated;
        },
        changed: (what) => changes.push(what),
      },
    );
    return {
      engine,
      told,
      changes,
      of: (tenant: string, key = KEY) => asks(engine, tenant, key),
    };
  };

  /** A key that a replica has served, and would serve by memory. */
  const served = async (db?: Db) => {
    const one = replica(db);
    const tenant = randomUUID();
    const key = one.of(tenant);
    granted(await key.reserve());
    await turn(key);
    one.told.written = 0;
    return { ...one, tenant, key };
  };

  return { replica, served };
}

/** A run of a key, from its begin to its end. */
export async function turn(key: ReturnType<typeof asks>, runId: string = systemIds.uuid()) {
  const fence = fenceOf(await key.begin(runId));
  granted(await key.write(ended(fence)));
  return fence;
}

/** A tenant's first policies: its agent's sessions are idle after so long. */
export async function idlePolicies(db: Db, tenant: string, idleAfterMs: number): Promise<void> {
  await db.query(
    `insert into tenant_policies (tenant, version, default_agent_id, rule_set_version, apply_time, principal)
     values ($1, 1, 'main', 1, now(), '')`,
    [tenant],
  );
  await db.query(
    `insert into key_policies (tenant, version, agent_id, dm_scope, idle_after_ms, daily_at, time_zone)
     values ($1, 1, 'main', 'main', $2, '', '')`,
    [tenant, idleAfterMs],
  );
}
