import { fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type AgentConfig,
  AgentConfigSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import { first, rows, type RunnerDatabase, type Sql } from "./sql.ts";

/** An agent as it is stored. */
export interface StoredAgent {
  readonly config: AgentConfig;
  /** False: answers no new turns. */
  readonly isListed: boolean;
  /** Turns of the tenant that run at once; 0: no bound. */
  readonly tenantRuns: number;
}

const READ_AGENT = {
  name: "runner_read_agent",
  text: `
SELECT a.config, a.is_listed, s.max_concurrent_runs AS tenant_runs
FROM agents a JOIN agent_sets s USING (tenant) WHERE a.tenant = $1 AND a.agent_id = $2`,
};

interface AgentRow {
  readonly config: Buffer;
  readonly is_listed: boolean;
  readonly tenant_runs: number;
}

export async function readAgent(
  sql: Sql,
  tenant: string,
  agentId: string,
): Promise<StoredAgent | undefined> {
  const row = await first<AgentRow>(sql, READ_AGENT, [tenant, agentId]);
  if (row === undefined) return undefined;
  const config = fromBinary(AgentConfigSchema, row.config);
  return { config, isListed: row.is_listed, tenantRuns: row.tenant_runs };
}

/** The tenant's agents in force, by id, and the version of the set; 0 before the first. */
export async function readAgents(sql: Sql, tenant: string): Promise<AgentSet> {
  const set = await first<{ version: bigint; runs: number }>(
    sql,
    "SELECT version, max_concurrent_runs AS runs FROM agent_sets WHERE tenant = $1",
    [tenant],
  );
  const found = await rows<Pick<AgentRow, "config">>(
    sql,
    "SELECT config FROM agents WHERE tenant = $1 AND is_listed ORDER BY agent_id",
    [tenant],
  );
  const agents = found.map(({ config }) => fromBinary(AgentConfigSchema, config));
  return { agents, version: set?.version ?? 0n, maxConcurrentRuns: set?.runs ?? 0 };
}

/** The tenant's agents in force. */
export interface AgentSet {
  readonly agents: AgentConfig[];
  readonly version: bigint;
  readonly maxConcurrentRuns: number;
}

/** Stores the whole set; the version grows by one when something changed. */
export function writeAgents(
  db: RunnerDatabase,
  tenant: string,
  {
    agents,
    maxConcurrentRuns,
  }: Pick<AgentSet, "maxConcurrentRuns"> & {
    readonly agents: readonly AgentConfig[];
  },
): Promise<bigint> {
  return db.transaction(async (sql) => {
    const version = await lockSet(sql, tenant);
    const changed = [
      await unlist(sql, tenant, agents),
      await bound(sql, tenant, maxConcurrentRuns),
    ];
    for (const agent of agents) changed.push(await upsert(sql, tenant, agent));
    if (!changed.includes(true)) return version;
    await sql.query("UPDATE agent_sets SET version = $2 WHERE tenant = $1", [tenant, version + 1n]);
    return version + 1n;
  });
}

async function lockSet(sql: Sql, tenant: string): Promise<bigint> {
  await sql.query(
    "INSERT INTO agent_sets (tenant, version) VALUES ($1, 0) ON CONFLICT DO NOTHING",
    [tenant],
  );
  const locked = "SELECT version FROM agent_sets WHERE tenant = $1 FOR UPDATE";
  const set = await first<{ version: bigint }>(sql, locked, [tenant]);
  return set?.version ?? 0n;
}

async function bound(sql: Sql, tenant: string, runs: number): Promise<boolean> {
  const { rowCount } = await sql.query(
    "UPDATE agent_sets SET max_concurrent_runs = $2 WHERE tenant = $1 AND max_concurrent_runs <> $2",
    [tenant, runs],
  );
  return rowCount > 0;
}

async function unlist(sql: Sql, tenant: string, kept: readonly AgentConfig[]): Promise<boolean> {
  const { rowCount } = await sql.query(
    `UPDATE agents SET is_listed = false
     WHERE tenant = $1 AND is_listed AND NOT agent_id = ANY ($2::text[])`,
    [tenant, kept.map(({ agentId }) => agentId)],
  );
  return rowCount > 0;
}

async function upsert(sql: Sql, tenant: string, agent: AgentConfig): Promise<boolean> {
  const { rowCount } = await sql.query(
    `INSERT INTO agents AS a VALUES ($1, $2, $3, true)
     ON CONFLICT (tenant, agent_id) DO UPDATE SET config = excluded.config, is_listed = true
     WHERE a.config <> excluded.config OR NOT a.is_listed`,
    [tenant, agent.agentId, toBinary(AgentConfigSchema, agent)],
  );
  return rowCount > 0;
}
