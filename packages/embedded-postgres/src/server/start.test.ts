import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EmbeddedPostgresError } from "../errors.ts";
import { clusterFolder } from "../cluster/home.ts";
import { copyTemplate } from "../cluster/template.ts";
import { isRunning } from "./process-info.ts";
import { startEmbeddedPostgres } from "./start.ts";
import {
  type TestFolder,
  authenticationRequest,
  killHard,
  startInProcess,
  systemIdentifier,
  testFolder,
} from "../testing/support.ts";

const SASL = 10;

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

/** A data dir as an earlier start left it, for tests of what is not about the first: making a database takes a second. */
async function usedBefore(dataDir = folder.path): Promise<void> {
  await copyTemplate(dataDir);
}

describe("startEmbeddedPostgres", () => {
  test("starts a server that asks for a password, on loopback only, and stops it", async () => {
    const dataDir = join(folder.path, "data");
    const server = await startEmbeddedPostgres({ dataDir, log });
    try {
      expect(await authenticationRequest(server.port)).toBe(SASL);
      expect(new URL(server.url).port).toBe(String(server.port));
      expect((await stat(join(dataDir, "postgres-password"))).mode & 0o777).toBe(0o600);
      const hba = await readFile(join(clusterFolder(server.home), "pg_hba.conf"), "utf8");
      expect(hba.split("\n").filter((line) => /^\w.*\btrust\b/.test(line))).toEqual([]);
    } finally {
      await server.stop();
    }
    expect(await isRunning(server.pid)).toBe(false);
    expect(existsSync(join(clusterFolder(server.home), "postmaster.pid"))).toBe(false);
  });

  test("a second start finds the same database, port and password", async () => {
    const first = await startEmbeddedPostgres({ dataDir: folder.path, log });
    const identifier = await systemIdentifier(first.home);
    await first.stop();
    const second = await startEmbeddedPostgres({ dataDir: folder.path, log });
    await second.stop();
    expect(second.url).toBe(first.url);
    expect(await systemIdentifier(second.home)).toBe(identifier);
    expect(lines.filter((line) => line.startsWith("making a Postgres"))).toHaveLength(1);
  });

  test("takes another port when the remembered one is busy", async () => {
    await usedBefore();
    const first = await startEmbeddedPostgres({ dataDir: folder.path, log });
    await first.stop();
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(first.port, "127.0.0.1", resolve));
    try {
      const second = await startEmbeddedPostgres({ dataDir: folder.path, log });
      expect(second.port).not.toBe(first.port);
      expect(await authenticationRequest(second.port)).toBe(SASL);
      await second.stop();
    } finally {
      squatter.close();
    }
  });

  test("works where a socket's name would be longer than 107 bytes", async () => {
    const dataDir = join(folder.path, "long-".repeat(30), "data");
    const server = await startEmbeddedPostgres({ dataDir, log });
    expect(await authenticationRequest(server.port)).toBe(SASL);
    await server.stop();
    expect(await isRunning(server.pid)).toBe(false);
  });

  test("stop can be asked for twice, and the exit is told once as expected", async () => {
    await usedBefore();
    const server = await startEmbeddedPostgres({ dataDir: folder.path, log });
    const exits: unknown[] = [];
    server.onExit((exit) => exits.push(exit));
    await Promise.all([server.stop(), server.stop()]);
    expect(exits).toEqual([{ code: 0, signal: null, expected: true }]);
  });

  test("a server that ends by itself is told as unexpected, and its data dir can be started again", async () => {
    await usedBefore();
    const server = await startEmbeddedPostgres({ dataDir: folder.path, log });
    const exit = new Promise((resolve) => server.onExit(resolve));
    process.kill(server.pid, "SIGQUIT");
    expect(await exit).toMatchObject({ expected: false });
    const again = await startEmbeddedPostgres({ dataDir: folder.path, log });
    await again.stop();
  });

  test("a start tells of the server's process before it is ready, and ends it when it is called off", async () => {
    await usedBefore();
    const calledOff = new AbortController();
    const pids: number[] = [];
    const spawned = (pid: number) => {
      pids.push(pid);
      calledOff.abort();
    };
    await expect(
      startEmbeddedPostgres({ dataDir: folder.path, log, spawned, signal: calledOff.signal }),
    ).rejects.toMatchObject({ problem: "start_aborted" });
    expect(pids).toHaveLength(1);
    expect(await isRunning(pids[0] ?? 0)).toBe(false);
  });

  test("a second start while the first lives is refused, and the first goes on", async () => {
    await usedBefore();
    const server = await startEmbeddedPostgres({ dataDir: folder.path, log });
    try {
      await expect(startEmbeddedPostgres({ dataDir: folder.path, log })).rejects.toMatchObject({
        problem: "already_running",
      });
      expect(await authenticationRequest(server.port)).toBe(SASL);
    } finally {
      await server.stop();
    }
  });

  test("a second process is refused too, by the first one's pid", async () => {
    await usedBefore();
    const other = await startInProcess(folder.path);
    try {
      const refused = startEmbeddedPostgres({ dataDir: folder.path, log });
      await expect(refused).rejects.toThrow(`Process ${other.process.pid} already runs`);
      expect(await isRunning(other.serverPid)).toBe(true);
    } finally {
      await killHard(other.process);
      await (await startEmbeddedPostgres({ dataDir: folder.path, log })).stop();
    }
  });

  test("the server of a killed supervisor is stopped, and the data is there", async () => {
    await usedBefore();
    const other = await startInProcess(folder.path);
    const identifier = await systemIdentifier(folder.path);
    await killHard(other.process);
    expect(await isRunning(other.serverPid)).toBe(true);
    const server = await startEmbeddedPostgres({ dataDir: folder.path, log });
    expect(await isRunning(other.serverPid)).toBe(false);
    expect(lines.join("\n")).toContain(`stopping the Postgres (pid ${other.serverPid})`);
    expect(await systemIdentifier(server.home)).toBe(identifier);
    await server.stop();
  });

  test("Ctrl-C, which goes to the whole process group, leaves the server to the drain", async () => {
    await usedBefore();
    const other = await startInProcess(folder.path);
    const exited = once(other.process, "exit");
    process.kill(-(other.process.pid ?? 0), "SIGINT");
    await exited;
    expect(await isRunning(other.serverPid)).toBe(true);
    await (await startEmbeddedPostgres({ dataDir: folder.path, log })).stop();
  });

  test("a process that exits without stopping it takes the server along", async () => {
    await usedBefore();
    const other = await startInProcess(folder.path);
    other.process.kill("SIGTERM");
    await expect.poll(() => isRunning(other.serverPid)).toBe(false);
  });

  test("a killed server is recovered", async () => {
    await usedBefore();
    const other = await startInProcess(folder.path);
    await killHard(other.process);
    process.kill(other.serverPid, "SIGKILL");
    const server = await startEmbeddedPostgres({ dataDir: folder.path, log });
    expect(await authenticationRequest(server.port)).toBe(SASL);
    await server.stop();
  });

  test("a stale lock whose pid now belongs to another program does not stop the start", async () => {
    await usedBefore();
    await usedBefore(join(folder.path, "another"));
    const first = await startEmbeddedPostgres({ dataDir: folder.path, log });
    const lockFile = join(clusterFolder(first.home), "postmaster.pid");
    const lock = await readFile(lockFile, "utf8");
    const bystander = await startInProcess(join(folder.path, "another"));
    try {
      await first.stop();
      const [, ...rest] = lock.split("\n");
      // A Postgres of another data dir: it runs as the same account, so Postgres takes it for alive.
      await writeFile(lockFile, [String(bystander.serverPid), ...rest].join("\n"));
      const second = await startEmbeddedPostgres({ dataDir: folder.path, log });
      expect(await authenticationRequest(second.port)).toBe(SASL);
      await second.stop();
      expect(await isRunning(bystander.serverPid)).toBe(true);
    } finally {
      await killHard(bystander.process);
      await (await startEmbeddedPostgres({ dataDir: join(folder.path, "another"), log })).stop();
    }
  });

  test("a database of another major version is refused with both versions", async () => {
    await usedBefore();
    const server = await startEmbeddedPostgres({ dataDir: folder.path, log });
    await server.stop();
    await writeFile(join(clusterFolder(server.home), "PG_VERSION"), "17\n");
    const refused = startEmbeddedPostgres({ dataDir: folder.path, log });
    await expect(refused).rejects.toThrow(/is of Postgres 17, .* runs Postgres 18\.\d/);
    await expect(startEmbeddedPostgres({ dataDir: folder.path, log })).rejects.toMatchObject({
      problem: "wrong_major_version",
    });
  });

  test("an aborted start leaves no server and no lock", async () => {
    const signal = AbortSignal.abort(new Error("Ctrl-C"));
    const aborted = startEmbeddedPostgres({ dataDir: folder.path, log, signal });
    await expect(aborted).rejects.toMatchObject({ problem: "start_aborted" });
    const files = await readdir(clusterFolder(folder.path));
    expect(files).not.toContain("postmaster.pid");
    await (await startEmbeddedPostgres({ dataDir: folder.path, log })).stop();
  });

  test("a lost password is told, not replaced", async () => {
    await usedBefore();
    const server = await startEmbeddedPostgres({ dataDir: folder.path, log });
    await server.stop();
    await writeFile(join(folder.path, "postgres-password"), "");
    await expect(startEmbeddedPostgres({ dataDir: folder.path, log })).rejects.toMatchObject({
      problem: "password_missing",
    });
  });

  test("what stops the server from starting is quoted from its log", async () => {
    await usedBefore();
    const server = await startEmbeddedPostgres({ dataDir: folder.path, log });
    await server.stop();
    const settings = join(clusterFolder(server.home), "postgresql.auto.conf");
    await writeFile(settings, "shared_buffers = 'plenty'\n");
    const refused = await startEmbeddedPostgres({ dataDir: folder.path, log }).catch(
      (e: unknown) => e,
    );
    expect(refused).toBeInstanceOf(EmbeddedPostgresError);
    expect(refused).toMatchObject({ problem: "start_failed" });
    expect(String(refused)).toContain("shared_buffers");
  });

  test("a data dir that is a file is told with its path", async () => {
    const path = join(folder.path, "file");
    await writeFile(path, "");
    const refused = startEmbeddedPostgres({ dataDir: join(path, "data"), log });
    await expect(refused).rejects.toMatchObject({ problem: "data_dir_unwritable" });
  });

  test("drafts of an interrupted first start are cleared away", async () => {
    await mkdir(join(folder.path, "initdb-draft-cluster-abc"), { recursive: true });
    const server = await startEmbeddedPostgres({ dataDir: folder.path, log });
    await server.stop();
    expect((await readdir(folder.path)).filter((name) => name.includes("draft"))).toEqual([]);
  });
});
