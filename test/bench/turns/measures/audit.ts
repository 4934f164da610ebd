import type { Database } from "@lanekeeper/postgres";
import type { Measured } from "../load/jobs.ts";

/** What must not happen to turns, counted. */
export interface Audit {
  /** Runs of one key at the same time, at most. */
  readonly concurrency: number;
  /** Turns of a lane that began before one that was accepted earlier. */
  readonly inversions: number;
  /** Asked for, and not completed with its answer in the transcript. */
  readonly lost: number;
  /** Turns that nobody asked for, and messages that stand twice. */
  readonly duplicated: number;
}

/** Looks at what the database holds of a job's turns. */
export async function audit(
  database: Database<unknown>,
  job: string,
  { turns, turnIds }: Measured,
): Promise<Audit> {
  const { rows } = await database.query<Found>(AUDIT, [`${job}-%`, turnIds]);
  const [found] = rows;
  if (found === undefined) throw new Error("the audit found no row");
  const { concurrency, inversions, answered, stored, doubled } = found;
  return {
    ...{ concurrency, inversions },
    lost: turns - answered,
    duplicated: Math.max(0, stored - turns) + doubled,
  };
}

interface Found {
  readonly concurrency: number;
  readonly inversions: number;
  readonly answered: number;
  readonly stored: number;
  readonly doubled: number;
}

/**
 * A turn is answered if its caller was told its id, it is COMPLETED (3), and the transcript has its
 * question and its answer. All turns of the job are looked at, told of or not.
 */
const AUDIT = `
with job as (
  select tenant, turn_id, session_key, lane_seq, state from lanekeeper_runner.turns where request_id like $1
), ran as (
  select job.session_key, job.lane_seq, runs.start_time, runs.end_time
  from job join lanekeeper_runner.runs using (tenant, turn_id)
), edges as (
  select session_key, start_time as at, 1 as change from ran
  union all select session_key, coalesce(end_time, 'infinity'), -1 from ran
), running as (
  select sum(change) over (partition by session_key order by at, change) as runs from edges
), in_order as (
  select lane_seq < max(lane_seq) over (
    partition by session_key order by start_time rows between unbounded preceding and 1 preceding
  ) as is_late
  from ran
), told as (
  select job.turn_id, count(*) filter (where role = 2) as asked, count(*) filter (where role = 3) as said
  from job join lanekeeper_runner.messages using (tenant, turn_id) group by job.turn_id
)
select
  (select coalesce(max(runs), 0)::int from running) as concurrency,
  (select count(*)::int from in_order where is_late) as inversions,
  (select count(*)::int from job join told using (turn_id)
   where state = 3 and asked >= 1 and said >= 1 and turn_id = any ($2::uuid[])) as answered,
  (select count(*)::int from job) as stored,
  (select count(*)::int from told where asked > 1 or said > 1) as doubled`;
