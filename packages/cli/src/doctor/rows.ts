import type { Database } from "@lanekeeper/postgres";
import { RULE_SET_VERSION } from "@lanekeeper/session-key";
import { type Finding, note, ok, problem } from "./finding.ts";

/** Names a person can read; beyond, the count says enough. */
const MAX_NAMED = 10;
/** Lanes with open turns that are compared with the keys: a page that both databases read at once. */
const MAX_LANES = 10_000;

type Rows = Pick<Database<unknown>, "query">;

/** What session-identity's rows say that they should not. */
export async function lookAtKeys(identity: Rows): Promise<Finding[]> {
  return [...(await runsPastTheirLease(identity)), ...(await newerRules(identity))];
}

interface LostRun {
  readonly tenant: string;
  readonly session_key: string;
  readonly run_id: string;
  readonly seconds: number;
}

/** A lease that ran out is taken over within another one, as long as a runner lives that wants the key. */
async function runsPastTheirLease(identity: Rows): Promise<Finding[]> {
  const { rows } = await identity.query<LostRun>(
    `select tenant, session_key, active_run_id as run_id,
       floor(extract(epoch from clock_timestamp() - active_lease_expire_time))::float8 as seconds
     from session_keys
     where active_run_id is not null
       and active_lease_expire_time + active_lease_ms * interval '1 ms' < clock_timestamp()
     order by active_lease_expire_time limit $1`,
    [MAX_NAMED],
  );
  if (rows.length === 0) return [ok("runs", "none is past its lease")];
  return rows.map(({ tenant, session_key: key, run_id: runId, seconds }) =>
    problem(
      "runs",
      `${key} of tenant ${tenant} is held by run ${runId}, whose lease ran out ${seconds} s ago, and nobody took ` +
        "over: see that a runner is ready and what `lanekeeper lane get` says. The next message takes the key; " +
        "`lanekeeper sessions reset` frees it now.",
    ),
  );
}

/** Replicas of an older release serve what is bound, and bind nothing new. */
async function newerRules(identity: Rows): Promise<Finding[]> {
  const { rows } = await identity.query<{ newest: number | null }>(
    "select max(rule_set_version) as newest from tenant_policies",
  );
  const newest = rows[0]?.newest ?? 0;
  if (newest <= RULE_SET_VERSION) return [];
  return [
    problem(
      "key rules",
      `Rule set ${newest} is in force and this release knows ${RULE_SET_VERSION}: it opens no new keys. Run the ` +
        "release that applied the configuration last.",
    ),
  ];
}

interface OpenLane {
  readonly tenant: string;
  readonly session_key: string;
  readonly turns: number;
}

/**
 * Lanes with open turns whose key session-identity does not have: one of the two databases was restored
 * without the other. A key is made before its first turn and never goes while a turn waits.
 */
export async function lookAtLanes(runner: Rows, identity: Rows): Promise<Finding[]> {
  const { rows: lanes } = await runner.query<OpenLane>(
    `select tenant, session_key, count(*)::float8 as turns from turns
     where state in (1, 2) and session_key is not null
     group by tenant, session_key order by tenant, session_key limit $1`,
    [MAX_LANES],
  );
  const { rows: strays } = await identity.query<OpenLane>(
    `select w.tenant, w.session_key, w.turns
     from unnest($1::text[], $2::text[], $3::float8[]) as w(tenant, session_key, turns)
     where not exists (select from session_keys k
       where k.tenant = w.tenant and k.session_key = w.session_key and k.session_id is not null)`,
    [
      lanes.map(({ tenant }) => tenant),
      lanes.map(({ session_key: key }) => key),
      lanes.map(({ turns }) => turns),
    ],
  );
  if (strays.length === 0) return [ok("lanes", `${lanes.length} have work, each has its key`)];
  const named = strays.slice(0, MAX_NAMED).map(strayLane);
  const more = strays.length - named.length;
  return more === 0 ? named : [...named, note("lanes", `and ${more} more without a key`)];
}

function strayLane({ tenant, session_key: key, turns }: OpenLane): Finding {
  return problem(
    "lanes",
    `The lane of ${key} (tenant ${tenant}) has ${turns} open turns and no session stands under that key: ` +
      "session-identity's database and the runner's are not of one moment. Restore both from one backup and run " +
      "`lanekeeper fence raise`, or cancel the turns with `lanekeeper lane cancel`.",
  );
}
