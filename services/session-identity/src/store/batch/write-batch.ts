import type { Birth, EventRecord, ReplyRecord, Rotation, RunRecord } from "../../domain/records.ts";
import type { KeyState } from "../../domain/key-state.ts";
import type { Query } from "../db.ts";
import type { Replica } from "../../replica.ts";
import type { JournalRow } from "../journal/journal-rows.ts";
import { rowOf } from "../keys/key-row.ts";
import { eventRow, generationRow, replyRow, runRow } from "./record-rows.ts";
import { iso } from "./values.ts";
import { type Part, writeStatement } from "./write-batch-sql.ts";

/** What the ledger keeps of a peer, beside its spelling. */
export interface NewPeer {
  readonly channel: string;
  /** The spelling without the thread. */
  readonly party: string;
  /** The scope that the key was rendered for. */
  readonly dmScope: string;
}

/** A name to be bound in the ledger. */
export interface NewBinding {
  readonly tenant: string;
  readonly agentId: string;
  readonly kind: "raw" | "peer";
  readonly name: string;
  readonly sessionKey: string;
  readonly peer: NewPeer | undefined;
  readonly ruleSetVersion: number;
  readonly source: string;
}

/** What watchers are told of a change beside the state. */
export interface ToldChange {
  /** Another session stands under the key now. */
  readonly rotated: boolean;
  /** The key that the session was merged into. */
  readonly mergedInto?: string | undefined;
}

/** What a transaction has for watchers: nothing, changes without rotations, or rotations too. */
export type Told = "nothing" | "changes" | "rotations";

/** Everything that one transaction changes, until it is flushed. */
export class BatchWrites {
  readonly #replica: Replica;
  #tells: Told = "nothing";
  readonly #rows: Record<Exclude<Part, "refusals">, object[]> = {
    keys: [],
    changes: [],
    newRuns: [],
    runs: [],
    events: [],
    journal: [],
    newReplies: [],
    replies: [],
    generations: [],
    requests: [],
    bindings: [],
  };
  readonly #refusals = new Map<string, JournalRow>();
  readonly #madeKeys: string[] = [];

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** What stands beside everything that this replica makes. */
  get ruleSetVersion(): number {
    return this.#replica.rules.version;
  }

  /** `told`: how watchers get the state, if at all; internal sessions are never shown to any. */
  key(state: KeyState, told: ToldChange | undefined): void {
    const row = rowOf(state);
    this.#rows.keys.push(row);
    if (told === undefined || state.internal) return;
    if (this.#tells !== "rotations") this.#tells = told.rotated ? "rotations" : "changes";
    const { tenant, session_key, agent_id } = row;
    this.#rows.changes.push({
      tenant,
      session_key,
      agent_id,
      state: row,
      merged_into: told.mergedInto ?? null,
      rotated: told.rotated,
    });
  }

  newRun(tenant: string, run: RunRecord): void {
    this.#rows.newRuns.push(runRow(tenant, run));
  }

  run(tenant: string, run: RunRecord): void {
    this.#rows.runs.push(runRow(tenant, run));
  }

  event(tenant: string, event: EventRecord): void {
    this.#rows.events.push(eventRow(tenant, event));
  }

  newReply(tenant: string, reply: ReplyRecord): void {
    this.#rows.newReplies.push(replyRow(tenant, reply));
  }

  reply(tenant: string, reply: ReplyRecord): void {
    this.#rows.replies.push(replyRow(tenant, reply));
  }

  generation(tenant: string, begun: Rotation | Birth): void {
    this.#rows.generations.push(generationRow(tenant, begun));
  }

  request(
    tenant: string,
    requestId: string,
    fingerprint: string,
    answer: unknown,
    nowMs: number,
  ): void {
    const row = { tenant, request_id: requestId, fingerprint, answer, create_time: iso(nowMs) };
    this.#rows.requests.push(row);
  }

  binding(binding: NewBinding, nowMs: number): void {
    this.#rows.bindings.push({
      tenant: binding.tenant,
      agent_id: binding.agentId,
      kind: binding.kind,
      name: binding.name,
      session_key: binding.sessionKey,
      party: binding.peer?.party ?? null,
      dm_scope: binding.peer?.dmScope ?? null,
      channel: binding.peer?.channel ?? null,
      rule_set_version: binding.ruleSetVersion,
      source: binding.source,
      seen_time: iso(nowMs),
    });
  }

  madeKey(tenant: string): void {
    this.#madeKeys.push(tenant);
  }

  /** A statement cannot write one row twice, so equal refusals of a batch are counted here. */
  journal(row: JournalRow): void {
    if (row.refusal_hash === null) {
      this.#rows.journal.push(row);
      return;
    }
    const name = `${row.tenant}\u0000${row.refusal_hash}`;
    const known = this.#refusals.get(name);
    this.#refusals.set(name, { ...row, count: (known?.count ?? 0) + 1 });
  }

  /** What watchers have to look for once this is committed. */
  get tells(): Told {
    return this.#tells;
  }

  /**
   * Writes what was noted since the last time. A row stands in one flush once. Gives the transaction's id, as
   * rows show it, where what it wrote was of turns and replies alone.
   */
  async flush(query: Query): Promise<string | undefined> {
    const refusals = [...this.#refusals.values()];
    const rows = { refusals, ...this.#rows };
    const statement = writeStatement((part) => rows[part].length > 0, this.#madeKeys.length > 0);
    const { parts, countsUsage, name, text } = statement;
    if (parts.length === 0) return undefined;
    const params: unknown[] = parts.map((part) => JSON.stringify(rows[part]));
    if (countsUsage) params.push([...this.#madeKeys], this.#replica.usageShard);
    for (const written of Object.values(this.#rows)) written.length = 0;
    this.#madeKeys.length = 0;
    this.#refusals.clear();
    const { rows: told } = await query.query<{ readonly xid: string }>({ name, text }, params);
    return countsUsage ? undefined : told[0]?.xid;
  }
}
