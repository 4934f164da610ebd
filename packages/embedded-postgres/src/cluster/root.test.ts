import { chmod, chown, cp, mkdir, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isRoot } from "./account.ts";
import { clusterFolder } from "./home.ts";
import { initCluster } from "./initdb.ts";
import { nativeFolder } from "../binaries/platform-package.ts";
import { platformPackage, thisHost } from "../binaries/platform.ts";
import { prepareRuntime } from "../binaries/runtime.ts";
import { startEmbeddedPostgres } from "../server/start.ts";
import { copyTemplate } from "./template.ts";
import {
  type TestFolder,
  authenticationRequest,
  removeHome,
  systemIdentifier,
  testFolder,
} from "../testing/support.ts";

let folder: TestFolder;
let lines: string[];
const log = (line: string) => void lines.push(line);

beforeEach(async () => {
  folder = await testFolder();
  lines = [];
});
afterEach(async () => {
  await folder[Symbol.asyncDispose]();
});

describe.skipIf(!isRoot())(
  "under root (skipped where these tests run as an ordinary user)",
  { timeout: 120_000 },
  () => {
    test("the server runs under an unprivileged account, which a line names", async () => {
      const server = await startEmbeddedPostgres({ dataDir: folder.path, log });
      const owner = await stat(clusterFolder(server.home));
      await server.stop();
      expect(owner.uid).not.toBe(0);
      expect(lines.join("\n")).toMatch(/runs as the account (postgres|_postgres|nobody)/);
      expect(server.home).toBe(folder.path);
    });

    test("under a folder of mode 0700 the database lives elsewhere, says so, and is found again", async () => {
      const closed = join(folder.path, "home");
      await mkdir(closed, { mode: 0o700 });
      const dataDir = join(closed, "data");
      try {
        const first = await startEmbeddedPostgres({ dataDir, log });
        const identifier = await systemIdentifier(first.home);
        expect(await authenticationRequest(first.port)).toBe(10);
        await first.stop();
        expect(first.home.startsWith(folder.path)).toBe(false);
        expect(lines.join("\n")).toContain(`the database lives in ${first.home}`);

        // Found even after the folder was opened, since the data is there.
        await chmod(closed, 0o755);
        const second = await startEmbeddedPostgres({ dataDir, log });
        await second.stop();
        expect(second.home).toBe(first.home);
        expect(await systemIdentifier(second.home)).toBe(identifier);
      } finally {
        await removeHome(dataDir);
      }
    });

    test("what root leaves in a user's data dir belongs to that user, who starts there again", async () => {
      const uid = 12_001;
      await copyTemplate(folder.path);
      const first = await startEmbeddedPostgres({ dataDir: folder.path, log });
      await first.stop();
      for (const name of ["", ...(await readdir(folder.path, { recursive: true }))])
        await chown(join(folder.path, name), uid, uid);
      await rm(join(folder.path, "postgres.log"));
      const server = await startEmbeddedPostgres({ dataDir: folder.path, log });
      const left = await readdir(folder.path);
      const owners = await Promise.all(
        left.map(async (name) => [name, (await stat(join(folder.path, name))).uid]),
      );
      await server.stop();
      expect(left).toContain("supervisor.json");
      expect(owners.filter(([, owner]) => owner !== uid)).toEqual([]);
    });

    test("a new data dir at the path of a removed one does not take over its database", async () => {
      const closed = join(folder.path, "home");
      await mkdir(closed, { mode: 0o700 });
      const dataDir = join(closed, "data");
      const first = await startEmbeddedPostgres({ dataDir, log });
      await first.stop();
      await rm(dataDir, { recursive: true });
      try {
        const second = await startEmbeddedPostgres({ dataDir, log });
        await second.stop();
        expect(second.home).not.toBe(first.home);
      } finally {
        await removeHome(dataDir);
        await rm(first.home, { recursive: true });
      }
    });

    test("a database whose folder was removed is told, not made anew", async () => {
      const closed = join(folder.path, "home");
      await mkdir(closed, { mode: 0o700 });
      const dataDir = join(closed, "data");
      const server = await startEmbeddedPostgres({ dataDir, log });
      await server.stop();
      await rm(server.home, { recursive: true });
      await expect(startEmbeddedPostgres({ dataDir, log })).rejects.toMatchObject({
        problem: "data_missing",
      });
    });

    test("binaries that the account cannot reach are copied to where it can", async () => {
      const closed = join(folder.path, "closed");
      await mkdir(closed, { mode: 0o700 });
      const native = join(closed, "native");
      await cp(nativeFolder(platformPackage(thisHost())), native, {
        recursive: true,
        verbatimSymlinks: true,
      });
      const account = { uid: 65_534, gid: 65_534, name: "nobody" };
      await writeFile(join(closed, "package.json"), '{"version": "1.2.3"}');
      const copyTo = join(folder.path, "open");
      await mkdir(join(copyTo, "runtime-1.2.2"), { recursive: true });
      const runtime = await prepareRuntime({ native, account, copyTo, log });
      expect(runtime.folder).toBe(join(copyTo, "runtime-1.2.3"));
      expect(await readdir(copyTo)).toEqual(["runtime-1.2.3"]);
      expect(lines.join("\n")).toContain(`copying the Postgres server to ${runtime.folder}`);
    });

    test("a cluster of root's and of another major version is told by its version before its owner", async () => {
      const cluster = clusterFolder(folder.path);
      await mkdir(cluster, { mode: 0o700 });
      await writeFile(join(cluster, "PG_VERSION"), "17\n");
      await expect(startEmbeddedPostgres({ dataDir: folder.path, log })).rejects.toThrow(
        /is of Postgres 17, .* runs Postgres 18\.\d/,
      );
    });

    test("a cluster of root's is to be given to the account that the server would run as, not to any", async () => {
      const server = await startEmbeddedPostgres({ dataDir: folder.path, log });
      await server.stop();
      const [, account] = /runs as the account (\w+)/.exec(lines.join("\n")) ?? [];
      await chown(clusterFolder(server.home), 0, 0);
      await expect(startEmbeddedPostgres({ dataDir: folder.path, log })).rejects.toThrow(
        `chown -R ${account} ${clusterFolder(server.home)}`,
      );
    });

    test("a uid without a name gets a database, or the sentence that says what to do", async () => {
      const account = { uid: 54_321, gid: 54_321, name: "uid 54321" };
      const native = nativeFolder(platformPackage(thisHost()));
      const runtime = await prepareRuntime({ native, account, copyTo: folder.path, log });
      const options = { home: folder.path, runtime, account, password: "secret", durable: false };
      const refusal: unknown = await initCluster(options).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (refusal === undefined) {
        expect((await stat(clusterFolder(folder.path))).uid).toBe(54_321);
        expect(await readFile(join(clusterFolder(folder.path), "PG_VERSION"), "utf8")).toBe("18\n");
      } else {
        expect(refusal).toMatchObject({ problem: "unknown_uid" });
        expect((refusal as Error).message).toContain("/etc/passwd");
      }
    });
  },
);
