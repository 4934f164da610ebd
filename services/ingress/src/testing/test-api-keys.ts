import { createDatabase, type Database } from "@lanekeeper/postgres";
import { startThrowawayDatabase, type ThrowawayDatabase } from "@lanekeeper/postgres/testing";
import { afterAll, beforeAll } from "vitest";
import { SCHEMA } from "../config.ts";
import { hashKey, SCOPES } from "../credentials/credential.ts";
import { credentialStore } from "../credentials/store.ts";
import { apiKeyStore } from "../keys/store.ts";
import { DEFAULT_LIMITS } from "../limits.ts";
import { MIGRATIONS } from "../start.ts";
import { ask } from "./ask.ts";
import { startTestIngress, type TestIngress } from "./test-ingress.ts";

const ADMIN = "an-admins-first-key-0123456789";
/** The first key of another tenant. */
export const OTHERS_ADMIN = "another-tenants-first-key-0123456789";
/** That a tenant may have at a time. */
export const MAX_KEYS = 6;

interface Key {
  readonly apiKeyId: string;
  readonly [name: string]: unknown;
}

/** What an RPC about keys answered. */
export interface Told {
  readonly status: number;
  readonly text: string;
  readonly apiKey: Key;
  readonly keyText: string;
  readonly apiKeys: readonly Key[];
  readonly nextPageToken?: string;
}

/** Two replicas of ingress over one database of keys, for the tests of a file. */
export class TestApiKeys {
  #database: ThrowawayDatabase | undefined;
  #db: Database<unknown> | undefined;
  #lane: TestIngress | undefined;
  #other: TestIngress | undefined;
  #calls = 0;

  constructor() {
    beforeAll(() => this.#start());
    afterAll(async () => {
      await this.#lane?.[Symbol.asyncDispose]();
      await this.#other?.[Symbol.asyncDispose]();
      await this.#db?.close();
      await this.#database?.stop();
    });
  }

  get db(): Database<unknown> {
    return started(this.#db);
  }

  get lane(): TestIngress {
    return started(this.#lane);
  }

  /** Another replica on the same database, which looks a key up each time that it is shown. */
  get other(): TestIngress {
    return started(this.#other);
  }

  /** Calls an RPC with a key; what makes or rotates gets a request id of its own. */
  readonly call = async (method: string, body: object, key = ADMIN): Promise<Told> => {
    this.#calls += 1;
    const requestId = `r-${this.#calls}`;
    const withId = /Create|Rotate/.test(method) ? { requestId, ...body } : body;
    const path = `/lanekeeper.ingress.v1.ApiKeyService/${method}`;
    const headers = { authorization: `Bearer ${key}` };
    const { status, text, json } = await ask(this.lane, { path, body: withId, headers });
    return { status, text, ...(json as Omit<Told, "status" | "text">) };
  };

  /** Whom a key stands for, or the status by which it is refused. */
  readonly whois = async (key: string, at = this.lane): Promise<unknown> => {
    const path = "/lanekeeper.ingress.v1.IngressService/GetCaller";
    const headers = { authorization: `Bearer ${key}` };
    const { status, json } = await ask(at, { path, body: {}, headers });
    return status === 200 ? json : status;
  };

  /** Ends all keys but the first ones. */
  readonly clear = async (): Promise<void> => {
    await this.db.query("DELETE FROM api_keys WHERE create_principal <> ''");
  };

  /** All that is stored of keys. */
  readonly dump = async (): Promise<string> => {
    const { rows } = await this.db.query("SELECT to_jsonb(k)::text AS row FROM api_keys k");
    return JSON.stringify(rows);
  };

  async #start(): Promise<void> {
    const database = await startThrowawayDatabase();
    this.#database = database;
    const log = (): void => undefined;
    const { url } = database;
    await database.makeSchema(SCHEMA, MIGRATIONS);
    const db = createDatabase({ url, schema: SCHEMA, poolSize: 4, applicationName: "t", log });
    this.#db = db;
    const credentials = credentialStore(db);
    const put = (tenant: string, principal: string, key: string) =>
      credentials.put(
        {
          ...{ tenant, principal, keyHash: hashKey(key), scopes: SCOPES },
          ...{ agents: [], keyPrefixes: [], rateLimit: undefined, tenantRateLimit: undefined },
        },
        "",
      );
    await put("acme", "bootstrap", ADMIN);
    await put("others", "others-first", OTHERS_ADMIN);
    const keyLimits = { ...DEFAULT_LIMITS, maxKeysPerTenant: MAX_KEYS, maxEndedKeysPerTenant: 2 };
    const stores = { credentialStore: credentials, apiKeyStore: apiKeyStore(db, keyLimits) };
    this.#lane = await startTestIngress({ stores, limits: { lastUseFlushMs: 5 } });
    this.#other = await startTestIngress({ stores, limits: { credentialFreshMs: 0 } });
  }
}

function started<T>(what: T | undefined): T {
  if (what === undefined) throw new Error("it starts before a file's first test");
  return what;
}
