import { isUnavailable } from "@lanekeeper/postgres";
import type { ChannelKind } from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import { storeUnavailable } from "@lanekeeper/rpc";
import type { Clock, Env } from "@lanekeeper/service";
import type { IngressLimits } from "../limits.ts";
import { TenantCache } from "../tenant-cache.ts";
import type { TenantAccount } from "./account.ts";
import type { AccountStore } from "./account-store.ts";

/** What the directory needs. */
export interface AccountSources {
  readonly store: Pick<AccountStore, "find">;
  /** Holds the secrets that the accounts name. */
  readonly env: Env;
  readonly clock: Clock;
  readonly limits: Pick<IngressLimits, "channelAccountsFreshMs" | "maxCachedChannelAccounts">;
}

/** Whose a post is; or what was tried, for the log. */
export type Verification =
  | { readonly found: TenantAccount }
  | {
      readonly found: undefined;
      /** Accounts of this name; 0: it is in nobody's configuration. */
      readonly accounts: number;
      /** Their secrets; 0: the variables are not set here. */
      readonly secrets: number;
    };

/**
 * Whose events come in at an account's path. Remembered for some seconds, names that nobody has too:
 * whoever tries names costs a look-up for each once in that time.
 */
export class AccountDirectory {
  readonly #cache: TenantCache<TenantAccount[]>;
  readonly #freshMs: number;
  readonly #env: Env;

  constructor({ store, env, clock, limits }: AccountSources) {
    this.#freshMs = limits.channelAccountsFreshMs;
    this.#env = env;
    this.#cache = new TenantCache({
      clock,
      maxTenants: limits.maxCachedChannelAccounts,
      ask: (name) => {
        const [kind = "", accountId = ""] = name.split("/");
        return store.find(Number(kind) as ChannelKind, accountId);
      },
      isBelievedAfter: isUnavailable,
    });
  }

  /**
   * The account of this name one of whose secrets passes.
   * @throws STORE_UNAVAILABLE
   */
  async verified(
    kind: ChannelKind,
    accountId: string,
    passes: (candidate: TenantAccount, secret: string) => boolean,
  ): Promise<Verification> {
    const candidates = await this.#find(kind, accountId);
    let secrets = 0;
    for (const found of candidates) {
      for (const secret of this.#secrets(found)) {
        if (passes(found, secret)) return { found };
        secrets += 1;
      }
    }
    return { found: undefined, accounts: candidates.length, secrets };
  }

  /** The token of an account's bot; empty: none is configured, or the variable is not set. */
  token({ account }: TenantAccount): string {
    return this.#env[account.tokenEnv]?.trim() ?? "";
  }

  async #find(kind: ChannelKind, accountId: string): Promise<TenantAccount[]> {
    try {
      return await this.#cache.get(`${kind}/${accountId}`, this.#freshMs);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      throw storeUnavailable("the channel's accounts cannot be read now; ask again", error);
    }
  }

  #secrets({ account }: TenantAccount): string[] {
    const text = account.secretEnv === "" ? "" : (this.#env[account.secretEnv] ?? "");
    return text.split(/\s+/).filter((secret) => secret !== "");
  }
}
