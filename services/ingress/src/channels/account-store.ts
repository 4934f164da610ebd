import { create, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import type { Database, Queryable } from "@lanekeeper/postgres";
import {
  type ChannelKind,
  type InboundAccount,
  InboundAccountSchema,
  WebhookRulesSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import type { TenantAccount } from "./account.ts";

/** Where inbound accounts are kept. */
export interface AccountStore {
  /** All tenants' accounts of one name; the oldest first. */
  find(kind: ChannelKind, accountId: string): Promise<TenantAccount[]>;
  /** By kind and account. */
  list(tenant: string): Promise<InboundAccount[]>;
  /** Those that are polled, of all tenants. */
  listPolled(): Promise<TenantAccount[]>;
  /** Which of these environment variables other tenants' accounts name. */
  namedByOthers(tenant: string, variables: readonly string[]): Promise<string[]>;
  /** Puts these in the place of all that the tenant had. */
  apply(tenant: string, accounts: readonly InboundAccount[]): Promise<void>;
}

interface Row {
  readonly tenant: string;
  readonly kind: ChannelKind;
  readonly account_id: string;
  readonly agent_id: string;
  readonly secret_env: string;
  readonly token_env: string;
  readonly is_polled: boolean;
  readonly webhook: JsonValue | null;
  readonly requests_per_minute: number | null;
  readonly burst: number | null;
}

const SELECT = `
  SELECT tenant, kind, account_id, agent_id, secret_env, token_env, is_polled, webhook,
    requests_per_minute, burst
  FROM inbound_accounts`;

const FIND = {
  name: "find_inbound_accounts",
  text: `${SELECT} WHERE kind = $1 AND account_id = $2 ORDER BY create_time, tenant`,
};

const LIST = `${SELECT} WHERE tenant = $1 ORDER BY kind, account_id`;

const LIST_POLLED = `${SELECT} WHERE is_polled ORDER BY kind, account_id, create_time, tenant`;

const NAMED_BY_OTHERS = `
  SELECT DISTINCT variable FROM unnest($2::text[]) AS u (variable)
  WHERE variable <> '' AND EXISTS (
    SELECT 1 FROM inbound_accounts
    WHERE tenant <> $1 AND variable IN (secret_env, token_env))`;

const REMOVE_OTHERS = `
  DELETE FROM inbound_accounts a WHERE tenant = $1 AND NOT EXISTS (
    SELECT 1 FROM unnest($2::smallint[], $3::text[]) AS u (kind, account_id)
    WHERE u.kind = a.kind AND u.account_id = a.account_id)`;

const PUT = `
  INSERT INTO inbound_accounts
    (tenant, kind, account_id, agent_id, secret_env, token_env, is_polled, webhook,
      requests_per_minute, burst)
  SELECT $1, * FROM unnest($2::smallint[], $3::text[], $4::text[], $5::text[], $6::text[],
    $7::boolean[], $8::jsonb[], $9::integer[], $10::integer[])
  ON CONFLICT (kind, account_id, tenant) DO UPDATE SET
    agent_id = excluded.agent_id, secret_env = excluded.secret_env,
    token_env = excluded.token_env, is_polled = excluded.is_polled, webhook = excluded.webhook,
    requests_per_minute = excluded.requests_per_minute, burst = excluded.burst`;

/** Inbound accounts in Postgres. */
export function accountStore(db: Pick<Database<unknown>, "query" | "transaction">): AccountStore {
  const read = async (text: Parameters<typeof db.query>[0], values: unknown[]) =>
    (await db.query<Row>(text, values)).rows.map(accountOf);
  return {
    find: (kind, accountId) => read(FIND, [kind, accountId]),
    list: async (tenant) => (await read(LIST, [tenant])).map(({ account }) => account),
    listPolled: () => read(LIST_POLLED, []),
    namedByOthers: async (tenant, variables) => {
      const { rows } = await db.query<{ variable: string }>(NAMED_BY_OTHERS, [tenant, variables]);
      return rows.map(({ variable }) => variable);
    },
    apply: (tenant, accounts) => db.transaction((tx) => replace(tx, tenant, accounts)),
  };
}

async function replace(
  tx: Pick<Queryable<unknown>, "query">,
  tenant: string,
  accounts: readonly InboundAccount[],
): Promise<void> {
  const names = [accounts.map(({ kind }) => kind), accounts.map(({ accountId }) => accountId)];
  await tx.query(REMOVE_OTHERS, [tenant, ...names]);
  await tx.query(PUT, [
    ...[tenant, ...names],
    accounts.map(({ agentId }) => agentId),
    accounts.map(({ secretEnv }) => secretEnv),
    accounts.map(({ tokenEnv }) => tokenEnv),
    accounts.map(({ polling }) => polling),
    accounts.map(({ webhook }) =>
      webhook === undefined ? null : JSON.stringify(toJson(WebhookRulesSchema, webhook)),
    ),
    accounts.map(({ rateLimit }) => rateLimit?.requestsPerMinute ?? null),
    // 0: as many as a minute has.
    accounts.map(({ rateLimit }) => rateLimit?.burst || null),
  ]);
}

function accountOf(row: Row): TenantAccount {
  const account = create(InboundAccountSchema, {
    kind: row.kind,
    accountId: row.account_id,
    agentId: row.agent_id,
    secretEnv: row.secret_env,
    tokenEnv: row.token_env,
    polling: row.is_polled,
    ...limitOf(row),
    // What a later release has written is not refused: the account goes on as far as it is understood.
    ...(row.webhook === null
      ? {}
      : { webhook: fromJson(WebhookRulesSchema, row.webhook, { ignoreUnknownFields: true }) }),
  });
  return { tenant: row.tenant, account };
}

function limitOf({ requests_per_minute: requestsPerMinute, burst }: Row) {
  return requestsPerMinute === null ? {} : { rateLimit: { requestsPerMinute, burst: burst ?? 0 } };
}
