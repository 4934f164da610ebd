import type { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { first, type DeliveryDatabase, rows, type Sql } from "./sql.ts";

/** By which account replies go out; the token stands in the environment. */
export interface AccountRow {
  readonly kind: RouteKind;
  readonly accountId: string;
  readonly tokenEnv: string;
}

const LIST = {
  name: "delivery_list_accounts",
  text: `
SELECT kind, account_id AS "accountId", token_env AS "tokenEnv" FROM channel_accounts
WHERE tenant = $1 ORDER BY kind, account_id`,
};

export function listAccounts(sql: Sql, tenant: string): Promise<AccountRow[]> {
  return rows(sql, LIST, [tenant]);
}

const READ = {
  name: "delivery_read_account",
  text: `
SELECT token_env AS "tokenEnv" FROM channel_accounts
WHERE tenant = $1 AND kind = $2 AND account_id = $3`,
};

/** The variable that holds the account's token; undefined: the tenant has no such account. */
export async function readTokenEnv(
  sql: Sql,
  { tenant, kind, accountId }: { tenant: string; kind: number; accountId: string },
): Promise<string | undefined> {
  return (await first<{ tokenEnv: string }>(sql, READ, [tenant, kind, accountId]))?.tokenEnv;
}

const NAMED_BY_OTHERS = {
  name: "delivery_token_env_of_others",
  text: `
SELECT token_env AS "tokenEnv" FROM channel_accounts
WHERE tenant <> $1 AND token_env = ANY ($2::text[]) ORDER BY token_env LIMIT 1`,
};

/** One of these variables that an account of another tenant names. */
export async function namedByOthers(
  sql: Sql,
  tenant: string,
  variables: readonly string[],
): Promise<string | undefined> {
  return (await first<{ tokenEnv: string }>(sql, NAMED_BY_OTHERS, [tenant, variables]))?.tokenEnv;
}

const REMOVE_OTHERS = {
  name: "delivery_remove_accounts",
  text: `
DELETE FROM channel_accounts a WHERE tenant = $1 AND NOT EXISTS (
  SELECT 1 FROM unnest($2::smallint[], $3::text[]) AS u (kind, account_id)
  WHERE u.kind = a.kind AND u.account_id = a.account_id)`,
};

const PUT = {
  name: "delivery_put_accounts",
  text: `
INSERT INTO channel_accounts (tenant, kind, account_id, token_env)
SELECT $1, * FROM unnest($2::smallint[], $3::text[], $4::text[])
ON CONFLICT (tenant, kind, account_id) DO UPDATE SET token_env = excluded.token_env`,
};

/** Puts these in the place of all that the tenant had. */
export async function applyAccounts(
  db: DeliveryDatabase,
  tenant: string,
  accounts: readonly AccountRow[],
): Promise<void> {
  const names = [accounts.map(({ kind }) => kind), accounts.map(({ accountId }) => accountId)];
  await db.transaction(async (sql) => {
    await sql.query(REMOVE_OTHERS, [tenant, ...names]);
    await sql.query(PUT, [tenant, ...names, accounts.map(({ tokenEnv }) => tokenEnv)]);
  });
}
