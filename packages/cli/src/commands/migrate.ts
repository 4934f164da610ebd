import { superuserUrl } from "@lanekeeper/embedded-postgres";
import { readSettings, type Settings } from "@lanekeeper/service";
import { type DataDir, openDataDir } from "../constellation/folder/data-dir.ts";
import { isExternal, openDatabase } from "../constellation/database/database.ts";
import { lockHolder, takeLock } from "../constellation/folder/lock.ts";
import {
  type MigratedSchema,
  migrateBeside,
  prepareDatabase,
} from "../constellation/database/prepare-database.ts";
import { openCredentials } from "../constellation/folder/secrets.ts";
import { readState } from "../constellation/folder/state-file.ts";
import { Guard } from "../constellation/processes/guard.ts";
import { StopRequest, unlessStopped } from "../constellation/processes/stop-request.ts";
import { type Output, showJson } from "../output.ts";

export interface MigrateOptions {
  readonly json?: boolean;
}

/**
 * `lanekeeper migrate`: makes roles, schemas and tables on DATABASE_URL, or on the embedded server, and
 * ends. Safe beside running services of this release and the one before: a constellation that runs on
 * the data dir keeps its server, and its schemas are brought up to date.
 */
export async function migrate({ json = false }: MigrateOptions, output: Output): Promise<void> {
  const settings = readSettings();
  const steps: string[] = [];
  const schemas: MigratedSchema[] = [];
  const tell = (line: string) => void (json ? steps.push(line) : output.line(line));
  const request = new StopRequest();
  using _signals = request.listen();
  const dir = await openDataDir(settings.dataDir);
  const migrated = (schema: MigratedSchema) => void schemas.push(schema);
  const work = { settings, dir, tell, migrated, stop: request.stop };
  const running = isExternal(settings) ? undefined : await runningServer(dir);
  if (running === undefined) await migrateAlone(work);
  else await migrateRunning(work, running);
  tell("the database is up to date");
  if (json) showJson(output, { steps, schemas: schemas.map(documentOf) });
}

function documentOf({ service, schema, version, applied }: MigratedSchema) {
  return { service, schema, version, applied: [...applied] };
}

interface Work {
  readonly settings: Settings;
  readonly dir: DataDir;
  readonly tell: (line: string) => void;
  readonly migrated: (schema: MigratedSchema) => void;
  readonly stop: AbortSignal;
}

async function migrateAlone({ settings, dir, tell, migrated, stop }: Work): Promise<void> {
  // Another process on the same embedded server is refused by the lock; on DATABASE_URL it may run.
  await using _lock = isExternal(settings) ? null : await takeLock(dir);
  const credentials = await openCredentials(dir, {
    clusterSecret: settings.clusterSecret?.reveal(),
    apiKey: settings.apiKey?.reveal(),
  });
  const guard = new Guard(0);
  try {
    const told = (pid: number | undefined) => guard.postgres(pid);
    const events = { stopping: stop, spawned: told, changed: told, moved: () => undefined };
    await using database = await openDatabase({ settings, dir, tell, ...events });
    tell(database.about);
    await unlessStopped(stop, prepareDatabase({ database, settings, credentials, tell, migrated }));
  } finally {
    await guard.done();
  }
}

/** The server of a constellation that is up on this data dir; one that still starts migrates by itself. */
async function runningServer(dir: DataDir): Promise<{ port: number; holder: number } | undefined> {
  const holder = await lockHolder(dir);
  const state = holder === undefined ? undefined : await readState(dir);
  // The file of a process that was killed may still lie there while another migrates.
  if (state?.postgres === undefined || state.pid !== holder || !state.ready) return undefined;
  return { port: state.postgres.port, holder };
}

async function migrateRunning(
  { settings, dir, tell, migrated, stop }: Work,
  { port, holder }: { readonly port: number; readonly holder: number },
): Promise<void> {
  const url = await superuserUrl(dir.postgres, port);
  tell(`embedded Postgres of process ${holder} on port ${port}`);
  const database = { adminUrl: () => url };
  await unlessStopped(stop, migrateBeside({ database, settings, tell, migrated }));
}
