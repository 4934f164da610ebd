import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { isRunning } from "./server/process-info.ts";
import { authenticationRequest } from "./testing/support.ts";
import { startThrowawayPostgres } from "./throwaway.ts";

test("a throwaway server is usable, and nothing is left of it", async () => {
  const server = await startThrowawayPostgres();
  expect(await authenticationRequest(server.port)).toBe(10);
  await server.stop();
  expect(await isRunning(server.pid)).toBe(false);
  expect(existsSync(server.home)).toBe(false);
});

test("a throwaway server ends with the process that started it, even killed", async () => {
  const module = fileURLToPath(new URL("./throwaway.ts", import.meta.url));
  const script = `
    import { startThrowawayPostgres } from ${JSON.stringify(module)};
    const { pid, home } = await startThrowawayPostgres();
    process.stdout.write(JSON.stringify({ pid, home }));
    setInterval(() => undefined, 60_000);`;
  const tsx = createRequire(import.meta.url).resolve("tsx");
  const child = spawn(process.execPath, ["--import", tsx, "--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [text] = (await once(child.stdout, "data")) as [Buffer];
  const { pid, home } = JSON.parse(text.toString("utf8")) as { pid: number; home: string };
  child.kill("SIGKILL");
  await expect.poll(() => isRunning(pid)).toBe(false);
  await expect.poll(() => existsSync(home)).toBe(false);
});
