import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, test } from "vitest";
import { BusyPortError, explainBusyPort, explainListenError } from "./busy-port.ts";

const LISTEN = `
  const server = require("node:net").createServer().listen(0, process.argv[1], () => {
    console.log(server.address().port);
  });
`;
/** Starts a listener, which ends with it. */
const SPAWN = `
  const child = require("node:child_process").spawn(
    process.execPath,
    ["-e", process.argv[1] + "process.stdin.on('end', () => process.exit()).resume();", "127.0.0.1", "lanekeeper-sample"],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  child.stdout.on("data", (port) => console.log(child.pid + " " + String(port).trim()));
`;
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
});

/** A process that listens, and whose command line holds `name`. */
async function listener(name: string, host: string): Promise<{ pid: number; port: number }> {
  const child = spawn(process.execPath, ["-e", LISTEN, host, name], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const [line] = await once(createInterface(child.stdout), "line");
  if (child.pid === undefined) throw new Error("not started");
  return { pid: child.pid, port: Number(line) };
}

describe("explainBusyPort", () => {
  test.each(["127.0.0.1", "0.0.0.0"])(
    "on %s names the variable, and the pid of one of ours",
    async (host) => {
      const { pid, port } = await listener("lanekeeper-sample", host);
      const sentence = await explainBusyPort(port, "LANEKEEPER_RUNNER_PORT");
      expect(sentence).toContain(`Port ${port} `);
      expect(sentence).toContain("LANEKEEPER_RUNNER_PORT");
      if (process.platform === "linux") expect(sentence).toContain(`kill ${pid}`);
    },
  );

  test.skipIf(process.platform !== "linux").each([
    [["lanekeeper.js", "start"], true],
    [["lanekeeper.js", "start", "runner"], false],
  ])(
    "of a process that %j has started names whoever would start it again",
    async (args, isNamed) => {
      const parent = spawn(process.execPath, ["-e", SPAWN, LISTEN, ...args], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      children.push(parent);
      const [line] = await once(createInterface(parent.stdout), "line");
      const [pid, port] = String(line).split(" ");
      const sentence = await explainBusyPort(Number(port), "LANEKEEPER_PORT");
      expect(sentence).toContain(`taken by process ${pid} (`);
      expect(sentence).toContain(`"kill ${isNamed ? parent.pid : pid}"`);
    },
  );

  test("does not say to kill a stranger", async () => {
    const { port } = await listener("somebody-else", "127.0.0.1");
    const sentence = await explainBusyPort(port, "LANEKEEPER_PORT");
    expect(sentence).toContain("another program");
    expect(sentence).toContain("LANEKEEPER_PORT");
    expect(sentence).not.toContain("kill");
  });
});

test("explainListenError turns EADDRINUSE into a sentence and leaves the rest alone", async () => {
  const { port } = await listener("somebody-else", "127.0.0.1");
  const server = createServer().listen(port, "127.0.0.1");
  const [error] = await once(server, "error");
  const explained = await explainListenError(error, port, "LANEKEEPER_PORT");
  expect(explained).toBeInstanceOf(BusyPortError);
  expect(explained).toMatchObject({ cause: error });
  const other = new Error("EACCES");
  expect(await explainListenError(other, port, "LANEKEEPER_PORT")).toBe(other);
});
