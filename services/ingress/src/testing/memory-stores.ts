import { DatabaseUnavailableError } from "@lanekeeper/postgres";
import { isKeyWithin } from "@lanekeeper/session-key";
import { type Credential, hashKey, SCOPES } from "../credentials/credential.ts";
import type {
  ChannelKind,
  InboundAccount,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import type { TenantAccount } from "../channels/account.ts";
import type { PollLeases } from "../channels/polling/lease.ts";
import type { AccountStore } from "../channels/account-store.ts";
import type { SettingsStore, StoredSettings } from "../settings/store.ts";
import { DEFAULT_SETTINGS, inOrder, type TenantSettings } from "../settings/tenant-settings.ts";
import type { RequestEntry } from "../request-log/entry.ts";
import type { RequestStore, StoredRequest } from "../request-log/store.ts";

/** Credentials in memory, with a database that can be taken away. */
export class MemoryCredentials {
  readonly #credentials: Credential[] = [];
  isDown = false;
  finds = 0;

  /** Adds a key and gives it back. */
  add(key: string, init: Partial<Credential> = {}): string {
    const standard = { tenant: "default", principal: key.slice(0, 8), scopes: SCOPES };
    const bounds = {
      agents: [],
      keyPrefixes: [],
      rateLimit: undefined,
      tenantRateLimit: undefined,
    };
    this.#credentials.push({ ...standard, ...bounds, keyHash: hashKey(key), ...init });
    return key;
  }

  remove(principal: string): void {
    const index = this.#credentials.findIndex((credential) => credential.principal === principal);
    this.#credentials.splice(index, 1);
  }

  /** Whose limits they have besides their own. */
  settings: MemorySettings | undefined;

  #withLimits(credential: Credential): Credential {
    const tenant = this.settings?.standing(credential.tenant);
    const rateLimit = credential.rateLimit ?? tenant?.keyRateLimit;
    return { ...credential, rateLimit, tenantRateLimit: tenant?.rateLimit };
  }

  /** When each was last shown. */
  readonly used = new Map<string, Date>();

  async markUsed(uses: ReadonlyMap<string, Date>): Promise<void> {
    if (this.isDown) throw new DatabaseUnavailableError("the database is down");
    for (const [id, time] of uses) this.used.set(id, time);
  }

  async find(keyHash: Buffer): Promise<Credential | undefined> {
    this.finds += 1;
    if (this.isDown) throw new DatabaseUnavailableError("the database is down");
    const found = this.#credentials.find((credential) => credential.keyHash.equals(keyHash));
    return found && this.#withLimits(found);
  }
}

/** Tenants' settings in memory. */
export class MemorySettings implements SettingsStore {
  readonly #settings = new Map<string, StoredSettings>();
  isDown = false;
  reads = 0;

  async read(tenant: string): Promise<StoredSettings> {
    this.reads += 1;
    if (this.isDown) throw new DatabaseUnavailableError("the database is down");
    return this.standing(tenant);
  }

  standing(tenant: string): StoredSettings {
    const none = { ...DEFAULT_SETTINGS, version: 0n, applyTime: undefined };
    return this.#settings.get(tenant) ?? none;
  }

  async write(tenant: string, settings: TenantSettings): Promise<bigint> {
    const { version } = await this.read(tenant);
    const sessionSources = inOrder(settings.sessionSources);
    const applyTime = new Date();
    const stored = { ...settings, sessionSources, version: version + 1n, applyTime };
    this.#settings.set(tenant, stored);
    return stored.version;
  }
}

/** Inbound accounts in memory. */
export class MemoryAccounts implements AccountStore {
  readonly accounts: TenantAccount[] = [];
  isDown = false;

  async find(kind: ChannelKind, accountId: string): Promise<TenantAccount[]> {
    if (this.isDown) throw new DatabaseUnavailableError("the database is down");
    return this.accounts.filter(
      ({ account }) => account.kind === kind && account.accountId === accountId,
    );
  }

  async list(tenant: string): Promise<InboundAccount[]> {
    return this.accounts.filter((one) => one.tenant === tenant).map(({ account }) => account);
  }

  async listPolled(): Promise<TenantAccount[]> {
    return this.accounts.filter(({ account }) => account.polling);
  }

  async namedByOthers(tenant: string, variables: readonly string[]): Promise<string[]> {
    const others = this.accounts.filter((one) => one.tenant !== tenant);
    const named = others.flatMap(({ account }) => [account.secretEnv, account.tokenEnv]);
    return variables.filter((variable) => named.includes(variable));
  }

  async apply(tenant: string, accounts: readonly InboundAccount[]): Promise<void> {
    const others = this.accounts.filter((one) => one.tenant !== tenant);
    const ours = accounts.map((account) => ({ tenant, account }));
    this.accounts.splice(0, this.accounts.length, ...others, ...ours);
  }
}

/** Leases in memory, which never expire: of replicas that share them one asks. */
export class MemoryLeases implements PollLeases {
  readonly holders = new Map<string, string>();
  isDown = false;
  /** How often a lease was another's. */
  refused = 0;

  async take({ tenant, account }: TenantAccount, holder: string): Promise<boolean> {
    if (this.isDown) throw new DatabaseUnavailableError("the database is down");
    const name = `${tenant} ${account.accountId}`;
    if (!this.holders.has(name)) this.holders.set(name, holder);
    const isOurs = this.holders.get(name) === holder;
    if (!isOurs) this.refused += 1;
    return isOurs;
  }

  async release({ tenant, account }: TenantAccount, holder: string): Promise<void> {
    const name = `${tenant} ${account.accountId}`;
    if (this.holders.get(name) === holder) this.holders.delete(name);
  }
}

/** The request log in memory. */
export class MemoryRequests implements RequestStore {
  readonly entries: StoredRequest[] = [];
  isDown = false;

  async insert(entries: readonly RequestEntry[]): Promise<void> {
    if (this.isDown) throw new DatabaseUnavailableError("the database is down");
    for (const entry of entries) {
      this.entries.push({ ...entry, entryId: BigInt(this.entries.length + 1) });
    }
  }

  async list(query: Parameters<RequestStore["list"]>[0]): Promise<StoredRequest[]> {
    if (this.isDown) throw new DatabaseUnavailableError("the database is down");
    const { tenant, requestId, traceId, turnId, beforeEntryId, bounds, limit } = query;
    const matches = (entry: StoredRequest): boolean =>
      entry.tenant === tenant &&
      (bounds === undefined ||
        entry.principal === bounds.principal ||
        isKeyWithin(entry.sessionKey, bounds)) &&
      (requestId === "" || entry.requestId === requestId) &&
      (traceId === "" || entry.traceId === traceId) &&
      (turnId === "" || entry.turnId === turnId) &&
      (beforeEntryId === undefined || entry.entryId < beforeEntryId);
    return this.entries.filter(matches).reverse().slice(0, limit);
  }

  async deleteBefore(endTime: Date, limit: number): Promise<number> {
    const old = this.entries.filter((entry) => entry.endTime < endTime).slice(0, limit);
    for (const entry of old) this.entries.splice(this.entries.indexOf(entry), 1);
    return old.length;
  }
}
