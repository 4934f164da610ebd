import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type AdminServer, startAdmin } from "./admin.ts";
import { BusyPortError } from "./busy-port.ts";
import { createMetrics } from "../telemetry/metrics.ts";
import { notReady, READY, type Readiness } from "./readiness.ts";

const listen = (port: number) => ({
  host: "127.0.0.1",
  port,
  variable: "LANEKEEPER_RUNNER_ADMIN_PORT",
});
const version = { service: "runner", version: "1.2.3", schema: "0007" };

let admin: AdminServer;
let readiness: Readiness;

beforeEach(async () => {
  readiness = READY;
  const metrics = createMetrics("runner", { ofProcess: false });
  metrics.counter("turns_total", "Turns.").inc();
  admin = await startAdmin({ listen: listen(0), metrics, readiness: () => readiness, version });
});
afterEach(() => admin[Symbol.asyncDispose]());

const get = (path: string, init?: RequestInit) =>
  fetch(`http://127.0.0.1:${admin.port}${path}`, init);

describe("admin", () => {
  test("/readyz says why not", async () => {
    expect((await get("/readyz")).status).toBe(200);
    readiness = notReady("draining: SIGTERM");
    const response = await get("/readyz?verbose");
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ status: "not ready", reasons: ["draining: SIGTERM"] });
  });

  test("/livez does not care about readiness", async () => {
    readiness = notReady("Postgres is gone");
    expect((await get("/livez")).status).toBe(200);
  });

  test("/metrics is Prometheus text", async () => {
    const response = await get("/metrics");
    expect(response.headers.get("content-type")).toContain("text/plain; version=0.0.4");
    expect(await response.text()).toContain('lanekeeper_turns_total{service="runner"} 1');
  });

  test("/version", async () => {
    expect(await (await get("/version")).json()).toEqual({ ...version, node: process.version });
  });

  test("anything else is 404 with the paths there are; writing is 405", async () => {
    const missing = await get("/debug");
    expect(missing.status).toBe(404);
    expect(await missing.json()).toEqual({ paths: ["/livez", "/readyz", "/metrics", "/version"] });
    const posted = await get("/livez", { method: "POST" });
    expect([posted.status, posted.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect((await get("/livez", { method: "HEAD" })).status).toBe(200);
  });

  test("a taken port is told with the variable that moves it", async () => {
    const again = startAdmin({
      listen: listen(admin.port),
      metrics: createMetrics("x", { ofProcess: false }),
      readiness: () => READY,
      version,
    });
    await expect(again).rejects.toThrow(BusyPortError);
    await expect(again).rejects.toThrow("LANEKEEPER_RUNNER_ADMIN_PORT");
  });

  test("closing does not wait for a client that holds its connection", async () => {
    const socket = connect(admin.port, "127.0.0.1");
    await new Promise((resolve) => socket.once("connect", resolve));
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.on("error", () => undefined);
    await admin[Symbol.asyncDispose]();
    await closed;
  });
});
