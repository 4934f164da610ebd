import { randomBytes, randomUUID } from "node:crypto";
import type { Database } from "@lanekeeper/postgres";
import type { Fence } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { PRINCIPAL, TENANT } from "../names.ts";
import { openDatabase } from "../world/databases.ts";
import { identityClient } from "./clients.ts";
import { closedLoop, dealt } from "./closed-loop.ts";
import type { Compared, Job, Measured } from "./jobs.ts";
import { beginRun } from "./turn-writer.ts";

/**
 * The usual way: one statement, one commit, for one write. It compares and sets the key's row, and
 * writes the line that the service's own journal has for `started`; no RPC stands before it.
 */
const COMPARE_AND_SET = {
  name: "compare_and_set",
  text: `
    with fenced as (
      update session_keys set
        revision = revision + 1, active_last_event_seq = $7, active_model = 'scripted',
        active_heartbeat_time = clock_timestamp(),
        active_lease_expire_time = clock_timestamp() + active_lease_ms * interval '1 millisecond'
      where tenant = $1 and session_key = $2 and session_id = $3 and generation = $4
        and active_run_id = $5 and run_epoch = $6 and active_last_event_seq < $7
      returning session_key, session_id, generation, active_turn_id
    )
    insert into journal (tenant, create_time, operation, accepted, reason, session_key, raw_key, session_id,
      generation, turn_id, shown, current, delivery_id, source, principal, request_id, trace_id,
      rule_set_version, error_message, note, count, last_time)
    select $1, clock_timestamp(), 'run_started', true, '', session_key, '', session_id::text,
      generation, active_turn_id, $8::jsonb, $8::jsonb, '', 'runner', $9, $10, $11,
      1, '', '', 1, clock_timestamp()
    from fenced`,
};

const pools = new Map<string, Database<unknown>>();
const runs = new Map<number, Fence>();

/** Writes by callers who share no key. */
export async function compareAndSet(
  job: Extract<Job, { kind: "compare-and-set" }>,
): Promise<Measured> {
  const { url, poolSize, keys } = job.database;
  const pool = pools.get(url) ?? openDatabase(url, poolSize);
  pools.set(url, pool);
  await beginRuns(job.database);
  const shares = Array.from({ length: job.inFlight }, (_, caller) =>
    dealt(keys, job.inFlight, caller),
  );
  let written = 0;
  return closedLoop(job, (caller) => {
    const share = shares[caller] ?? [];
    const fence = runs.get(share[written % share.length] ?? -1);
    written += 1;
    return fence !== undefined && write(pool, fence);
  });
}

async function beginRuns({ target, keys: { first, count } }: Compared): Promise<void> {
  const client = identityClient(target, "runner");
  for (let index = first; index < first + count; index += 1) {
    if (!runs.has(index)) runs.set(index, await beginRun(client, index));
  }
}

let eventSeq = 0;

async function write(pool: Database<unknown>, fence: Fence): Promise<void> {
  const { session, runId, runEpoch } = fence;
  if (session === undefined) throw new Error("a fence has a session");
  const { sessionKey, sessionId, generation } = session;
  const shown = JSON.stringify({
    ...{ sessionKey, sessionId, runId },
    generation: String(generation),
    runEpoch: String(runEpoch),
  });
  eventSeq += 1;
  const row = [TENANT, sessionKey, sessionId, generation, runId, runEpoch, eventSeq, shown];
  const labels = [PRINCIPAL, randomUUID(), randomBytes(16).toString("hex")];
  const { rowCount } = await pool.query(COMPARE_AND_SET, [...row, ...labels]);
  if (rowCount !== 1) throw new Error("the row's fence was another");
}

export async function closePools(): Promise<void> {
  await Promise.all([...pools.values()].map((pool) => pool.close()));
}
