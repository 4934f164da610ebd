import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "./free-port.ts";

const HOST = "127.0.0.1";
const TYPESCRIPT = fileURLToPath(new URL("../../../bin/typescript.js", import.meta.url));
const MODULE = new URL("./free-port.ts", import.meta.url).href;

/** A process that was given a port, on which nothing listens yet. */
async function otherStart() {
  const script = `
    import { freePort } from ${JSON.stringify(MODULE)};
    process.send(await freePort(${JSON.stringify(HOST)}));
    // Neither the claim nor the channel to its parent keeps a process alive.
    setInterval(() => undefined, 60_000);`;
  const args = ["--import", TYPESCRIPT, "--input-type=module", "-e", script];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [port] = (await once(child, "message")) as [number];
  return { child, port };
}

test("a port that another process was given is free to no other while that process lives", async () => {
  const { child, port } = await otherStart();
  const alone = { from: port, to: port + 1 };
  expect(await freePort(HOST, alone)).not.toBe(port);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(await freePort(HOST, alone)).toBe(port);
  expect(await freePort(HOST, alone), "the second time").not.toBe(port);
});
