import type { Queryable } from "@lanekeeper/postgres";
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
  readonly apply_time: Date;
}

const READ = {
  name: "read_tenant_settings",
  text: `
    SELECT version, session_sources, requires_session, apply_time
    FROM tenant_settings WHERE tenant = $1`,
};

/** The row is locked by the conflict, so two that apply at once get two versions. */
const WRITE = `
  INSERT INTO tenant_settings AS t (tenant, version, session_sources, requires_session)
  VALUES ($1, 1, $2, $3)
  ON CONFLICT (tenant) DO UPDATE SET
    session_sources = EXCLUDED.session_sources,
    requires_session = EXCLUDED.requires_session,
    version = t.version + CASE WHEN
      (t.session_sources, t.requires_session) = (EXCLUDED.session_sources, EXCLUDED.requires_session)
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
    async write(tenant, { sessionSources, requiresSession }) {
      const values = [tenant, inOrder(sessionSources), requiresSession];
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
    version: row.version,
    applyTime: row.apply_time,
  };
}
