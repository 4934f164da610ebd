import type { FreshnessPolicy } from "../../domain/freshness.ts";
import type { EventRecord, ReplyRecord, RunRecord, WriterKind } from "../../domain/records.ts";
import type { Query } from "../db.ts";
import { NOW_MS, POSTMASTER_START_MS } from "../moments.ts";
import {
  type EventRow,
  eventOf,
  type ReplyRow,
  replyOf,
  type RunRow,
  runOf,
} from "./record-rows.ts";

/** What one command needs looked up, once its row is locked. What is absent is not looked for. */
export interface Wanted {
  readonly tenant: string;
  readonly sessionKey: string;
  readonly runId?: string | undefined;
  /** Also the run that holds the key. */
  readonly activeRun?: boolean;
  readonly writer?: { readonly kind: WriterKind; readonly id: string; readonly eventSeq: bigint };
  readonly deliveryId?: string;
  readonly requestId?: string;
  readonly sourceSessionId?: string | undefined;
  readonly countSending?: boolean;
  readonly policyAgentId?: string;
  /** Of the tenant, beside those of the whole history. */
  readonly floors?: boolean;
}

export interface Found {
  readonly nowMs: number;
  readonly postmasterStartMs: number;
  /** At which a new key starts; those of the tenant are told where `floors` were wanted. */
  readonly generationFloor: bigint;
  readonly epochFloor: bigint;
  readonly revisionFloor: bigint;
  /** Ms since 1970; undefined: fences were never raised. */
  readonly runIdsFromMs: number | undefined;
  readonly run: RunRecord | undefined;
  readonly activeRun: RunRecord | undefined;
  readonly event: EventRecord | undefined;
  readonly reply: ReplyRecord | undefined;
  readonly request: { readonly fingerprint: string; readonly answer: unknown } | undefined;
  readonly source: { readonly sessionKey: string; readonly agentId: string } | undefined;
  readonly sendingCount: number;
  readonly policy: FreshnessPolicy | undefined;
  /** Of the tenant's policies, 0 where it has none; undefined: not looked for. */
  readonly policyVersion: bigint | undefined;
}

interface FoundRow {
  readonly now_ms: number;
  readonly start_ms: number;
  readonly generation_floor: bigint;
  readonly epoch_floor: bigint;
  readonly run_ids_from_ms: number | null;
  /** Undefined, here and below: none of the batch wanted such a thing. */
  readonly run?: RunRow | null;
  readonly active_run?: RunRow | null;
  readonly event?: EventRow | null;
  readonly reply?: ReplyRow | null;
  readonly request?: { readonly fingerprint: string; readonly answer: unknown } | null;
  readonly source?: { readonly session_key: string; readonly agent_id: string } | null;
  readonly sending_count?: bigint;
  readonly floors?: FloorsRow | null;
  /** Null: the tenant has none. */
  readonly policy?: { readonly version: string; readonly policy: PolicyRow | null } | null;
}

/** Int8 as text. */
interface FloorsRow {
  readonly generation: string;
  readonly run_epoch: string;
  readonly revision: string;
}

interface PolicyRow {
  readonly idle_after_ms: number | null;
  readonly daily_at: string;
  readonly time_zone: string;
}

interface Column {
  readonly name: string;
  readonly type: string;
  readonly of: (wanted: Wanted) => unknown;
}

/** One thing that may be looked up: whether a command wants it, and what of the command leads to it. */
interface Part {
  readonly name: keyof FoundRow;
  readonly isWanted: (wanted: Wanted) => boolean;
  readonly columns: readonly Column[];
  readonly text: string;
}

const KEY: readonly Column[] = [
  { name: "tenant", type: "text", of: ({ tenant }) => tenant },
  { name: "session_key", type: "text", of: ({ sessionKey }) => sessionKey },
];

const PARTS: readonly Part[] = [
  {
    name: "run",
    isWanted: ({ runId }) => runId !== undefined,
    columns: [{ name: "run_id", type: "uuid", of: ({ runId }) => runId ?? null }],
    text: `(select to_json(r) from runs r where r.tenant = w.tenant and r.run_id = w.run_id)`,
  },
  {
    name: "active_run",
    isWanted: ({ activeRun }) => activeRun === true,
    columns: [{ name: "active_run", type: "boolean", of: ({ activeRun }) => activeRun ?? false }],
    text: `case when w.active_run then (
        select to_json(r) from session_keys k join runs r on r.tenant = k.tenant and r.run_id = k.active_run_id
        where k.tenant = w.tenant and k.session_key = w.session_key
      ) end`,
  },
  {
    name: "event",
    isWanted: ({ writer }) => writer !== undefined,
    columns: [
      { name: "writer_kind", type: "text", of: ({ writer }) => writer?.kind ?? null },
      { name: "writer_id", type: "text", of: ({ writer }) => writer?.id ?? null },
      { name: "event_seq", type: "bigint", of: ({ writer }) => writer?.eventSeq ?? null },
    ],
    text: `(select to_json(e) from lifecycle_events e where e.tenant = w.tenant
        and e.writer_kind = w.writer_kind and e.writer_id = w.writer_id and e.event_seq = w.event_seq)`,
  },
  {
    name: "reply",
    isWanted: ({ deliveryId }) => deliveryId !== undefined,
    columns: [{ name: "delivery_id", type: "text", of: ({ deliveryId }) => deliveryId ?? null }],
    text: `(select to_json(p) from replies p
        where p.tenant = w.tenant and p.delivery_id = w.delivery_id)`,
  },
  {
    name: "request",
    isWanted: ({ requestId }) => requestId !== undefined,
    columns: [{ name: "request_id", type: "text", of: ({ requestId }) => requestId ?? null }],
    text: `(select to_json(q) from requests q
        where q.tenant = w.tenant and q.request_id = w.request_id)`,
  },
  {
    name: "source",
    // Only rotations have one: looked up with their request, so that a connection keeps few statements.
    isWanted: (one) => one.requestId !== undefined || one.sourceSessionId !== undefined,
    columns: [{ name: "source_id", type: "uuid", of: (one) => one.sourceSessionId ?? null }],
    text: `(select to_json(s) from generations s
        where s.session_id = w.source_id and s.tenant = w.tenant)`,
  },
  {
    name: "sending_count",
    isWanted: ({ countSending }) => countSending === true,
    columns: [{ name: "count_sending", type: "boolean", of: (one) => one.countSending ?? false }],
    text: `case when w.count_sending then (
        select count(*) from replies o
        where o.tenant = w.tenant and o.session_key = w.session_key and o.state = 'sending'
      ) else 0 end`,
  },
  {
    name: "policy",
    isWanted: ({ policyAgentId }) => policyAgentId !== undefined,
    columns: [{ name: "policy_agent", type: "text", of: (one) => one.policyAgentId ?? null }],
    text: `(select json_build_object('version', t.version::text, 'policy', (
          select to_json(k) from key_policies k
          where k.tenant = t.tenant and k.agent_id = w.policy_agent and k.version = t.version))
        from tenant_policies t where t.tenant = w.tenant)`,
  },
  {
    name: "floors",
    isWanted: ({ floors }) => floors === true,
    columns: [],
    text: `(select json_build_object('generation', f.generation::text, 'run_epoch', f.run_epoch::text,
          'revision', f.revision::text)
        from tenant_floors f where f.tenant = w.tenant)`,
  },
];

/** A statement that looks up some of the parts. */
interface Statement {
  readonly name: string;
  readonly text: string;
  readonly columns: readonly Column[];
}

/** By their names. */
const made = new Map<string, Statement>();

/**
 * One row per command, in order. A statement of its own after the lock, so that it sees what whoever
 * held the lock before has committed: a repeat that waited for its twin finds the twin's record.
 *
 * Sub-selects rather than joins: eight joins take the planner 2.5 ms; these are always index look-ups. Only those
 * that some command wants, since one that is not asked for is set up all the same: all eight take a lone
 * command longer than its own take to run.
 */
function statementFor(wanted: readonly Wanted[]): Statement {
  const asked = PARTS.map(({ isWanted }) => wanted.some(isWanted));
  // A digit for each part: names of statements have 63 bytes.
  const name = `look_up_${asked.map(Number).join("")}`;
  const parts = PARTS.filter((_, index) => asked[index]);
  const statement = made.get(name) ?? { name, ...statementOf(parts) };
  made.set(name, statement);
  return statement;
}

function statementOf(parts: readonly Part[]): Omit<Statement, "name"> {
  const columns = [...KEY, ...parts.flatMap((part) => part.columns)];
  const items = columns.map(({ type }, index) => `$${index + 1}::${type}[]`).join(", ");
  const selected = parts.map(
    ({ name, text }) => `,
      ${text} as ${name}`,
  );
  const text = `
    select
      ${NOW_MS} as now_ms,
      ${POSTMASTER_START_MS} as start_ms,
      h.generation_floor, h.epoch_floor,
      ceil(extract(epoch from h.run_ids_from) * 1000)::float8 as run_ids_from_ms${selected.join("")}
    from unnest(${items}) with ordinality as w(${columns.map(({ name }) => name).join(", ")}, place)
    cross join history h
    order by w.place`;
  return { text, columns };
}

export async function lookUp(query: Query, wanted: readonly Wanted[]): Promise<readonly Found[]> {
  const { name, text, columns } = statementFor(wanted);
  const params = columns.map(({ of }) => wanted.map(of));
  const { rows } = await query.query<FoundRow>({ name, text }, params);
  return rows.map(foundOf);
}

function foundOf(row: FoundRow): Found {
  const { run, active_run: activeRun, event, reply, source, policy, floors } = row;
  const generationFloor = row.generation_floor;
  return {
    nowMs: row.now_ms,
    postmasterStartMs: row.start_ms,
    generationFloor: larger(generationFloor, floors?.generation),
    epochFloor: larger(row.epoch_floor, floors?.run_epoch),
    // A restored database has forgotten what watchers of a key's first life were told.
    revisionFloor: larger(generationFloor, floors?.revision),
    runIdsFromMs: row.run_ids_from_ms ?? undefined,
    run: run ? runOf(run) : undefined,
    activeRun: activeRun ? runOf(activeRun) : undefined,
    event: event ? eventOf(event) : undefined,
    reply: reply ? replyOf(reply) : undefined,
    request: row.request ?? undefined,
    source: source ? { sessionKey: source.session_key, agentId: source.agent_id } : undefined,
    sendingCount: Number(row.sending_count ?? 0n),
    policy: policy?.policy ? policyOf(policy.policy) : undefined,
    policyVersion: policy === undefined ? undefined : BigInt(policy?.version ?? 0),
  };
}

function larger(floor: bigint, other: string | undefined): bigint {
  if (other === undefined) return floor;
  const value = BigInt(other);
  return value > floor ? value : floor;
}

function policyOf(row: PolicyRow): FreshnessPolicy {
  return {
    idleAfterMs: row.idle_after_ms ?? undefined,
    dailyAt: row.daily_at,
    timeZone: row.time_zone,
  };
}
