import type { AgentConfig } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import { type Clock } from "@lanekeeper/service";
import { type StoredAgent, readAgent } from "./store/agents.ts";
import type { RunnerDatabase } from "./store/sql.ts";

/** A changed configuration is in force on every replica after this long. */
const FRESH_MS = 1_000;
/** Far more than the agents of any tenant that one replica serves within a second. */
const MAX_CACHED = 10_000;

/** Agents by tenant and id, remembered for a moment: each turn asks for one. */
export class Agents {
  readonly #db: RunnerDatabase;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #cached = new Map<string, { readonly agent: StoredAgent; readonly untilMs: number }>();
  /** Who asks meanwhile gets what is being read. */
  readonly #reading = new Map<string, Promise<StoredAgent | undefined>>();

  constructor(db: RunnerDatabase, clock: Pick<Clock, "monotonicMs">) {
    this.#db = db;
    this.#clock = clock;
  }

  /** An agent that answers new turns; undefined: the tenant lists none by this id. */
  async listed(tenant: string, agentId: string): Promise<AgentConfig | undefined> {
    const agent = await this.#read(tenant, agentId);
    return agent?.isListed === true ? agent.config : undefined;
  }

  /** Also one that was left out since: it finishes the turns that it has. */
  async any(tenant: string, agentId: string): Promise<AgentConfig | undefined> {
    return (await this.#read(tenant, agentId))?.config;
  }

  /** How many turns may run at once, of the agent and of its tenant; 0: any number. */
  async runBounds(tenant: string, agentId: string): Promise<{ agent: number; tenant: number }> {
    const agent = await this.#read(tenant, agentId);
    return { agent: agent?.config.maxConcurrentRuns ?? 0, tenant: agent?.tenantRuns ?? 0 };
  }

  /** What this replica itself stored is in force here at once. */
  forget(): void {
    this.#cached.clear();
    this.#reading.clear();
  }

  async #read(tenant: string, agentId: string): Promise<StoredAgent | undefined> {
    const key = `${tenant}\n${agentId}`;
    const cached = this.#cached.get(key);
    if (cached !== undefined && cached.untilMs > this.#clock.monotonicMs()) return cached.agent;
    const underWay = this.#reading.get(key);
    if (underWay === undefined) return this.#readAnew(key, tenant, agentId);
    const joined = await underWay;
    if (joined?.isListed === true) return joined;
    // One that is missing may have been stored since that look began.
    return this.#reading.get(key) ?? this.#readAnew(key, tenant, agentId);
  }

  #readAnew(key: string, tenant: string, agentId: string): Promise<StoredAgent | undefined> {
    const now = this.#clock.monotonicMs();
    const isLast = (): boolean => this.#reading.get(key) === reading;
    const reading = readAgent(this.#db, tenant, agentId)
      .then((agent) => {
        if (isLast()) this.#remember(key, agent, now + FRESH_MS);
        return agent;
      })
      .finally(() => {
        if (isLast()) this.#reading.delete(key);
      });
    this.#reading.set(key, reading);
    return reading;
  }

  /** What is missing is not remembered: a new agent answers at once. */
  #remember(key: string, agent: StoredAgent | undefined, untilMs: number): void {
    this.#cached.delete(key);
    if (agent?.isListed !== true) return;
    if (this.#cached.size >= MAX_CACHED) this.#cached.clear();
    this.#cached.set(key, { agent, untilMs });
  }
}
