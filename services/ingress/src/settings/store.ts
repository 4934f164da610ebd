import type { Queryable } from "@lanekeeper/postgres";
import { rateLimitOf } from "../rate-limits/rate-limit.ts";
import { DEFAULT_SETTINGS, inOrder, type TenantSettings } from "./tenant-settings.ts";

/** Settings as they are stored. */
export interface StoredSettings extends TenantSettings {
  /** 0n: nothing was applied. */
  readonly version: bigint;
  readonly applyTime: Date | undefined;
}

/** Where tenants' settings are kept. */
export interface SettingsStore {
  read(tenant: string): Promise<StoredSettings>;
  /** Resolves to the version, which grows when something changed. */
  write(tenant: string, settings: TenantSettings): Promise<bigint>;
}

interface Row {
  readonly version: bigint;
  readonly session_sources: string[];
  readonly requires_session: boolean;
  readonly requests_per_minute: number | null;
  readonly burst: number | null;
  readonly key_requests_per_minute: number | null;
  readonly key_burst: number | null;
  readonly apply_time: Date;
}

const READ = {
  name: "read_tenant_settings",
  text: `
    SELECT version, session_sources, requires_session, requests_per_minute, burst,
      key_requests_per_minute, key_burst, apply_time
    FROM tenant_settings WHERE tenant = $1`,
};

/** The row is locked by the conflict, so two that apply at once get two versions. */
const WRITE = `
  INSERT INTO tenant_settings AS t (tenant, version, session_sources, requires_session,
    requests_per_minute, burst, key_requests_per_minute, key_burst)
  VALUES ($1, 1, $2, $3, $4, $5, $6, $7)
  ON CONFLICT (tenant) DO UPDATE SET
    session_sources = EXCLUDED.session_sources,
    requires_session = EXCLUDED.requires_session,
    requests_per_minute = EXCLUDED.requests_per_minute,
    burst = EXCLUDED.burst,
    key_requests_per_minute = EXCLUDED.key_requests_per_minute,
    key_burst = EXCLUDED.key_burst,
    version = t.version + CASE WHEN
      (t.session_sources, t.requires_session, t.requests_per_minute, t.burst,
       t.key_requests_per_minute, t.key_burst)
      IS NOT DISTINCT FROM
      (EXCLUDED.session_sources, EXCLUDED.requires_session, EXCLUDED.requests_per_minute,
       EXCLUDED.burst, EXCLUDED.key_requests_per_minute, EXCLUDED.key_burst)
      THEN 0 ELSE 1 END,
    apply_time = clock_timestamp()
  RETURNING version`;

/** Settings in Postgres. */
export function settingsStore(db: Pick<Queryable<unknown>, "query">): SettingsStore {
  return {
    async read(tenant) {
      const { rows } = await db.query<Row>(READ, [tenant]);
      return settingsOf(rows[0]);
    },
    async write(tenant, { sessionSources, requiresSession, rateLimit, keyRateLimit }) {
      const values = [
        ...[tenant, inOrder(sessionSources), requiresSession],
        ...[rateLimit?.requestsPerMinute, rateLimit?.burst],
        ...[keyRateLimit?.requestsPerMinute, keyRateLimit?.burst],
      ];
      const { rows } = await db.query<{ version: bigint }>(WRITE, values);
      if (rows[0] === undefined) throw new Error("settings were written without an answer");
      return rows[0].version;
    },
  };
}

function settingsOf(row: Row | undefined): StoredSettings {
  if (row === undefined) return { ...DEFAULT_SETTINGS, version: 0n, applyTime: undefined };
  return {
    sessionSources: inOrder(row.session_sources),
    requiresSession: row.requires_session,
    rateLimit: rateLimitOf(row.requests_per_minute, row.burst),
    keyRateLimit: rateLimitOf(row.key_requests_per_minute, row.key_burst),
    version: row.version,
    applyTime: row.apply_time,
  };
}
