import { readSettings } from "@lanekeeper/service";
import { openDataDir } from "../constellation/data-dir.ts";
import { isExternal, openDatabase } from "../constellation/database.ts";
import { takeLock } from "../constellation/lock.ts";
import { prepareDatabase } from "../constellation/prepare-database.ts";
import { openCredentials } from "../constellation/secrets.ts";
import { StopRequest, unlessStopped } from "../constellation/stop-request.ts";
import type { Output } from "../output.ts";

/**
 * `lanekeeper migrate`: makes roles, schemas and tables on DATABASE_URL, or on the embedded server,
 * and ends. Safe beside running services of this release and the one before.
 */
export async function migrate(output: Output): Promise<void> {
  const settings = readSettings();
  const tell = (line: string) => output.line(line);
  const request = new StopRequest();
  using _signals = request.listen();
  const dir = await openDataDir(settings.dataDir);
  // Another process on the same embedded server is refused by the lock; on DATABASE_URL it may run.
  await using _lock = isExternal(settings) ? null : await takeLock(dir);
  const credentials = await openCredentials(dir, {
    clusterSecret: settings.clusterSecret?.reveal(),
    apiKey: settings.apiKey?.reveal(),
  });
  const noop = () => undefined;
  await using database = await openDatabase({
    settings,
    dir,
    tell,
    stopping: request.stop,
    changed: noop,
    moved: noop,
  });
  tell(database.about);
  await unlessStopped(request.stop, prepareDatabase({ database, settings, credentials, tell }));
  tell("the database is up to date");
}
