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
}

const READ_AGENT = {
  name: "runner_read_agent",
  text: `SELECT config, is_listed FROM agents WHERE tenant = $1 AND agent_id = $2`,
};

interface AgentRow {
  readonly config: Buffer;
  readonly is_listed: boolean;
}

export async function readAgent(
  sql: Sql,
  tenant: string,
  agentId: string,
): Promise<StoredAgent | undefined> {
  const row = await first<AgentRow>(sql, READ_AGENT, [tenant, agentId]);
  return row && { config: fromBinary(AgentConfigSchema, row.config), isListed: row.is_listed };
}

/** The tenant's agents in force, by id, and the version of the set; 0 before the first. */
export async function readAgents(
  sql: Sql,
  tenant: string,
): Promise<{ readonly agents: AgentConfig[]; readonly version: bigint }> {
  const set = await first<{ version: bigint }>(
    sql,
    "SELECT version FROM agent_sets WHERE tenant = $1",
    [tenant],
  );
  const found = await rows<AgentRow>(
    sql,
    "SELECT config, is_listed FROM agents WHERE tenant = $1 AND is_listed ORDER BY agent_id",
    [tenant],
  );
  const agents = found.map(({ config }) => fromBinary(AgentConfigSchema, config));
  return { agents, version: set?.version ?? 0n };
}

/** Stores the whole set; the version grows by one when something changed. */
export function writeAgents(
  db: RunnerDatabase,
  tenant: string,
  agents: readonly AgentConfig[],
): Promise<bigint> {
  return db.transaction(async (sql) => {
    const version = await lockSet(sql, tenant);
    const changed = [await unlist(sql, tenant, agents)];
    for (const agent of agents) changed.push(await upsert(sql, tenant, agent));
    if (!changed.includes(true)) return version;
    await sql.query("UPDATE agent_sets SET version = $2 WHERE tenant = $1", [tenant, version + 1n]);
    return version + 1n;
  });
}

async function lockSet(sql: Sql, tenant: string): Promise<bigint> {
  await sql.query("INSERT INTO agent_sets VALUES ($1, 0) ON CONFLICT DO NOTHING", [tenant]);
  const locked = "SELECT version FROM agent_sets WHERE tenant = $1 FOR UPDATE";
  const set = await first<{ version: bigint }>(sql, locked, [tenant]);
  return set?.version ?? 0n;
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
