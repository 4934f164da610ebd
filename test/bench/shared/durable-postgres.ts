import { chmod, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedPostgres } from "@lanekeeper/embedded-postgres";

/** A server that is thrown away at the end, and until then syncs as one in production does. */
export interface DurablePostgres extends AsyncDisposable {
  /** Of the superuser, for a database of the server. */
  url(database: string): string;
  /** A folder that the server's account can read in. */
  readonly folder: string;
  readonly version: string;
  /** Of the postmaster. */
  readonly pid: number;
}

export async function startDurablePostgres(): Promise<DurablePostgres> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "lanekeeper-bench-")));
  // Under root the server runs as another account, which must be able to pass.
  await chmod(folder, 0o711);
  const remove = (path: string) => rm(path, { recursive: true, force: true, maxRetries: 3 });
  try {
    const server = await startEmbeddedPostgres({
      dataDir: join(folder, "postgres"),
      log: () => undefined,
    });
    return {
      folder,
      version: server.version,
      pid: server.pid,
      url: (database) => Object.assign(new URL(server.url), { pathname: `/${database}` }).href,
      [Symbol.asyncDispose]: async () => {
        await server.stop();
        await remove(server.home);
        await remove(folder);
      },
    };
  } catch (error) {
    await remove(folder);
    throw error;
  }
}
