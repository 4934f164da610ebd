import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedPostgres } from "@lanekeeper/embedded-postgres";
import { expect, test } from "vitest";
import { TEST_TIMEOUT_MS, testDatabase } from "./test-database.ts";

test(
  "what was committed survives a killed server and a second start",
  async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "lanekeeper-durable-"));
    // Under root another account runs the server, and has to pass.
    await chmod(dataDir, 0o711);
    const log = () => undefined;
    try {
      const first = await startEmbeddedPostgres({ dataDir, log });
      const ended = new Promise<void>((resolve) => first.onExit(() => resolve()));
      {
        await using db = testDatabase({ url: first.url });
        await db.query("CREATE TABLE notes (id int)");
        await db.query("INSERT INTO notes VALUES (42)");
        process.kill(first.pid, "SIGKILL");
        await ended;
      }
      await using second = await startEmbeddedPostgres({ dataDir, log });
      await using db = testDatabase({ url: second.url });
      expect((await db.query("SELECT id FROM notes")).rows).toEqual([{ id: 42 }]);
      const { rows } = await db.query(
        `SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit,
              current_setting('server_encoding') AS encoding, datcollate, datctype, datlocale
       FROM pg_database WHERE datname = current_database()`,
      );
      expect(rows).toMatchObject([
        { fsync: "on", commit: "on", encoding: "UTF8", datlocale: "C.UTF-8" },
      ]);
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  },
  TEST_TIMEOUT_MS,
);
