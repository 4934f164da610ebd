import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRoot } from "./cluster/account.ts";
import { guard } from "./server/guard.ts";
import { findHome } from "./cluster/home.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./server/start.ts";
import { copyTemplate } from "./cluster/template.ts";

/**
 * A server for tests: empty, without syncs to disk, in a folder of its own that `stop` removes. It
 * also ends, and its folder goes, when this process is killed.
 */
export async function startThrowawayPostgres(
  options: { log?: (line: string) => void } = {},
): Promise<EmbeddedPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), "lanekeeper-throwaway-"));
  if (isRoot()) await chmod(dataDir, 0o711);
  const remove = (folder: string) => rm(folder, { recursive: true, force: true, maxRetries: 3 });
  try {
    await copyTemplate(dataDir);
    const log = options.log ?? (() => undefined);
    const server = await startEmbeddedPostgres({ dataDir, durable: false, log });
    const release = guard(server.pid, [dataDir, server.home]);
    const stop = async () => {
      await server.stop();
      await remove(server.home);
      await remove(dataDir);
      release();
    };
    return { ...server, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    const home = await findHome(dataDir).catch(() => undefined);
    if (home !== undefined) await remove(home);
    await remove(dataDir);
    throw error;
  }
}
