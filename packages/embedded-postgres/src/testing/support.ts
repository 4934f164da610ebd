import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, realpath, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isRoot } from "../cluster/account.ts";
import { clusterFolder, findHome } from "../cluster/home.ts";

/** A folder for one test, removed with whatever stands in for it elsewhere. */
export type TestFolder = AsyncDisposable & { path: string };

export async function testFolder(): Promise<TestFolder> {
  const path = await realpath(await mkdtemp(join(tmpdir(), "lanekeeper-embedded-")));
  // Under root the server's account must be able to pass.
  if (isRoot()) await chmod(path, 0o711);
  const remove = (folder: string) => rm(folder, { recursive: true, force: true, maxRetries: 3 });
  return { path, [Symbol.asyncDispose]: () => remove(path) };
}

/** Removes the home of a data dir that may lie elsewhere. */
export async function removeHome(dataDir: string): Promise<void> {
  const home = await findHome(dataDir).catch(() => undefined);
  if (home !== undefined) await rm(home, { recursive: true, force: true });
}

/** Made by initdb, kept for ever: the first eight bytes of pg_control. */
export async function systemIdentifier(home: string): Promise<bigint> {
  const control = await readFile(join(clusterFolder(home), "global", "pg_control"));
  return control.readBigUInt64LE(0);
}

/**
 * What the server answers to a start-up packet: the code of its authentication request (0 lets
 * everybody in, 10 is SASL), of protocol 3.0.
 */
export async function authenticationRequest(port: number): Promise<number> {
  const socket = connect({ host: "127.0.0.1", port });
  await once(socket, "connect");
  const parameters = Buffer.from("user\0postgres\0database\0postgres\0\0");
  const head = Buffer.alloc(8);
  head.writeInt32BE(head.length + parameters.length, 0);
  head.writeInt32BE(3 << 16, 4);
  socket.write(Buffer.concat([head, parameters]));
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  if (answer.toString("latin1", 0, 1) !== "R") throw new Error(answer.toString("latin1"));
  return answer.readInt32BE(5);
}

export type StarterProcess = { process: ChildProcess; serverPid: number };

/** A process of its own that starts the server of a data dir and then waits to be killed. */
export async function startInProcess(dataDir: string): Promise<StarterProcess> {
  const tsx = createRequire(import.meta.url).resolve("tsx");
  const script = fileURLToPath(new URL("./starter.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", tsx, script, dataDir], {
    // A process group of its own, as a shell gives to what it runs in the foreground.
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await Promise.race([
    once(child.stdout, "data"),
    once(child, "exit").then(([code]) => {
      throw new Error(`the starter ended with ${code}`);
    }),
  ])) as [Buffer];
  return { process: child, serverPid: Number(line.toString("utf8")) };
}

export async function killHard(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}
