import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { readSettings } from "@lanekeeper/service";
import { expect, onTestFinished, test } from "vitest";
import { FAKE_ENV } from "../fixtures/fake-constellation.ts";
import { lookAtPorts, lookAtServices, singleServices } from "./services.ts";

/** An admin port that is ready and says so of a version. */
async function admin(version: string, service = ""): Promise<string> {
  const server: Server = createServer((request, response) => {
    response.end(request.url === "/version" ? JSON.stringify({ version, service }) : "{}");
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

/** Settings of an environment with these ports, and any for the others. */
function withPorts(ports: Record<string, string>) {
  return readSettings({ ...FAKE_ENV, ...ports });
}

test("a service that was started by itself is asked, and its ports are no problem", async () => {
  const port = (at: string) => new URL(at).port;
  const [runner, web, other] = [
    await admin("0.1.0", "runner"),
    await admin("0.1.0"),
    await admin("0.1.0", "delivery"),
  ];
  const settings = withPorts({
    LANEKEEPER_RUNNER_ADMIN_PORT: port(runner),
    LANEKEEPER_DELIVERY_ADMIN_PORT: port(web),
    LANEKEEPER_IDENTITY_ADMIN_PORT: port(other),
  });
  const singles = await singleServices(settings);
  expect(singles).toEqual(["runner"]);
  const [found, ...others] = await lookAtPorts(settings, singles);
  expect(found).toMatchObject({ verdict: "ok", subject: "runner", text: `ready at ${runner}` });
  // What else has one of our ports is in the way.
  expect(others.map(({ verdict, subject }) => `${verdict} ${subject}`)).toEqual([
    "problem ports",
    "problem ports",
  ]);
  expect(others.map(({ text }) => text).join()).not.toContain(port(runner));
});
