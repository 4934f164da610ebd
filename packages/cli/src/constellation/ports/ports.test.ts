import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { readSettings } from "@lanekeeper/service";
import { expect, test } from "vitest";
import { FAKE_ENV } from "../../fixtures/fake-constellation.ts";
import { planPorts } from "./ports.ts";

test("a busy port is told before anything starts, with the variable that moves it", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const settings = readSettings({ ...FAKE_ENV, LANEKEEPER_RUNNER_ADMIN_PORT: String(port) });
  await expect(planPorts(settings)).rejects.toThrow(
    new RegExp(`^Port ${port} is taken by .*set LANEKEEPER_RUNNER_ADMIN_PORT to a free port`),
  );
  server.close();
  await once(server, "close");
});

test("one port for two servers is told with both variables", async () => {
  const settings = readSettings({
    ...FAKE_ENV,
    LANEKEEPER_PORT: "18080",
    LANEKEEPER_RUNNER_PORT: "18080",
  });
  await expect(planPorts(settings)).rejects.toThrow(
    "LANEKEEPER_RUNNER_PORT and LANEKEEPER_PORT are both 18080: set one of them to another port.",
  );
});

test("an address that this machine does not have is told", async () => {
  const settings = readSettings({
    ...FAKE_ENV,
    LANEKEEPER_HOST: "203.0.113.7",
    LANEKEEPER_PORT: "18080",
  });
  await expect(planPorts(settings)).rejects.toThrow(
    "set LANEKEEPER_HOST to an address of this machine",
  );
});

test("0 becomes a free port, another one for each", async () => {
  const { http, services } = await planPorts(readSettings(FAKE_ENV));
  const ports = [
    http.port,
    ...Object.values(services).flatMap(({ grpc, admin }) => [grpc.port, admin.port]),
  ];
  expect(ports).toHaveLength(9);
  expect(new Set(ports).size).toBe(9);
  expect(ports).not.toContain(0);
});
