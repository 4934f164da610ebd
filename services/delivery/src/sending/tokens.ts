import { type Env, Secret } from "@lanekeeper/service";
import { readTokenEnv } from "../store/channel-accounts.ts";
import type { Sql } from "../store/sql.ts";

/** An account as a route names it. */
export interface AccountName {
  readonly tenant: string;
  /** RouteKind. */
  readonly kind: number;
  readonly accountId: string;
}

/** An account's token, or why there is none; that may be mended, so that replies wait for it. */
export type Token = { readonly secret: Secret } | { readonly problem: string };

export type FindToken = (account: AccountName) => Promise<Token>;

/** The row names the variable, the environment holds the token. */
export function tokensFrom(db: Sql, env: Env): FindToken {
  return async (account) => {
    const name = await readTokenEnv(db, account);
    if (name === undefined) {
      return { problem: `the account ${account.accountId} is not configured` };
    }
    const token = env[name]?.trim() ?? "";
    if (token === "") return { problem: `${name} is not set in delivery's environment` };
    return { secret: new Secret(token) };
  };
}
