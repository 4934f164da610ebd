import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { lookAtServices } from "./installation.ts";

/** An admin port that is ready and says so of a version. */
async function admin(version: string): Promise<string> {
  const server: Server = createServer((request, response) => {
    response.end(request.url === "/version" ? JSON.stringify({ version }) : "{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("a service of another version than this program's is a problem that says what to do", async () => {
  const [runner, delivery] = [await admin("0.0.9"), await admin("0.1.0")];
  const service = (at: string) => ({ pid: 1, restarts: 0, grpc: "", admin: at, log: "log" });
  const findings = await lookAtServices({
    ...{ pid: 1, dataDir: "", url: "", apiKeyFile: undefined, ready: true, postgres: undefined },
    services: { runner: service(runner), delivery: service(delivery) },
  } as Parameters<typeof lookAtServices>[0]);
  expect(findings.map(({ verdict }) => verdict)).toEqual(["problem", "ok"]);
  expect(findings[0]?.text).toBe(
    "runner is of version 0.0.9, this program of 0.1.0: stop what runs and start it again from one installation.",
  );
});
