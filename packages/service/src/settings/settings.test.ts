import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { formatTarget } from "./target.ts";
import { dialable, readSettings } from "./settings.ts";
import { variables } from "./variables.ts";

describe("defaults", () => {
  const settings = readSettings({});

  test("are those of the documented table", () => {
    expect(settings).toMatchObject({
      host: "127.0.0.1",
      http: { host: "127.0.0.1", port: 8080, variable: "LANEKEEPER_PORT" },
      dataDir: resolve(".lanekeeper"),
      databaseUrl: undefined,
      poolSize: 8,
      leaseMs: 15_000,
      drainTimeoutMs: 25_000,
      logLevel: "info",
      logKeys: "full",
      config: undefined,
      apiKey: undefined,
      clusterSecret: undefined,
      tls: { certFile: undefined, keyFile: undefined, caFile: undefined },
      supervised: false,
      model: { kind: "scripted" },
    });
  });

  test.each([
    ["ingress", 7100, "LANEKEEPER_INGRESS_GRPC_PORT", 7110, "LANEKEEPER_INGRESS_ADMIN_PORT"],
    ["session-identity", 7101, "LANEKEEPER_IDENTITY_PORT", 7111, "LANEKEEPER_IDENTITY_ADMIN_PORT"],
    ["runner", 7102, "LANEKEEPER_RUNNER_PORT", 7112, "LANEKEEPER_RUNNER_ADMIN_PORT"],
    ["delivery", 7103, "LANEKEEPER_DELIVERY_PORT", 7113, "LANEKEEPER_DELIVERY_ADMIN_PORT"],
  ] as const)("%s listens on %d", (name, grpcPort, grpcVariable, adminPort, adminVariable) => {
    const { grpc, admin, target } = settings.services[name];
    expect(grpc).toEqual({ host: "127.0.0.1", port: grpcPort, variable: grpcVariable });
    expect(admin).toEqual({ host: "127.0.0.1", port: adminPort, variable: adminVariable });
    expect(formatTarget(target)).toBe(`127.0.0.1:${grpcPort}`);
  });

  test("every variable has a name of ours or a well-known one, once", () => {
    const names = Object.values(variables).map((variable) => variable.name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => !/^(LANEKEEPER|OPENAI)_|^DATABASE_URL$/.test(name))).toEqual([]);
  });
});

describe("targets", () => {
  test("follow the port that is set", () => {
    const settings = readSettings({ LANEKEEPER_RUNNER_PORT: "9000" });
    expect(formatTarget(settings.services.runner.target)).toBe("127.0.0.1:9000");
  });

  test("may be given", () => {
    const settings = readSettings({ LANEKEEPER_IDENTITY_TARGET: "dns:///identity.internal:7101" });
    expect(settings.services["session-identity"].target.kind).toBe("dns");
  });

  test.each([
    ["0.0.0.0", "127.0.0.1"],
    ["::", "::1"],
    ["0:0:0:0:0:0:0:0", "::1"],
    ["10.0.0.5", "10.0.0.5"],
  ])("bound to %s, a neighbour dials %s", (host, dialled) => {
    expect(dialable(host)).toBe(dialled);
  });
});

describe("databases", () => {
  test("a service's own URL goes before the shared one", () => {
    const { services, databaseUrl } = readSettings({
      DATABASE_URL: "postgres://shared/db",
      LANEKEEPER_RUNNER_DATABASE_URL: "postgres://own/db",
    });
    expect(services.runner.databaseUrl?.reveal()).toBe("postgres://own/db");
    expect(services.delivery.databaseUrl).toBe(databaseUrl);
    expect(services.delivery.ownDatabaseUrl).toBeUndefined();
  });
});

test("no secret of the environment is in the settings' JSON", () => {
  const env = {
    DATABASE_URL: "postgres://u:hunter2@h/db",
    LANEKEEPER_API_KEY: "hunter2",
    LANEKEEPER_CLUSTER_SECRET: "hunter2",
    LANEKEEPER_MODEL_BASE_URL: "http://model/v1",
    LANEKEEPER_MODEL_API_KEY: "hunter2",
    LANEKEEPER_MODEL: "m",
  };
  expect(JSON.stringify(readSettings(env))).not.toContain("hunter2");
});
