import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { superuserUrl } from "@lanekeeper/embedded-postgres";
import { createDatabase } from "@lanekeeper/postgres";
import { eventually } from "@lanekeeper/testing";
import { describe, expect, test } from "vitest";
import { fakeConstellation } from "../fixtures/fake-constellation.ts";
import { testFolder } from "../fixtures/folder.ts";
import { dataDirAt } from "./folder/data-dir.ts";
import { processLife } from "./processes/process-life.ts";

describe("a constellation", () => {
  test("starts four services and stops them in order: ingress first, session-identity last", async () => {
    await using folder = await testFolder();
    const { constellation, said, journal, state } = await fakeConstellation(folder.path);
    await constellation.start();
    await constellation.markReady();
    const { services, ready } = await state();
    expect(ready).toBe(true);
    expect(Object.keys(services)).toEqual(["session-identity", "runner", "delivery", "ingress"]);
    for (const { pid } of Object.values(services))
      expect(await processLife(pid ?? 0)).toBeDefined();

    await constellation[Symbol.asyncDispose]();
    const ends = (await journal()).filter((line) => line.endsWith("stopped"));
    expect(ends).toEqual(
      ["ingress", "runner", "delivery", "session-identity"].map((name) => `${name} stopped`),
    );
    for (const { pid } of Object.values(services))
      expect(await processLife(pid ?? 0)).toBeUndefined();
    expect(said).toContain("runner: warn: something to tell");
    await expect(state()).rejects.toThrow("no constellation.json");
  });

  test("a stop on a full disk failed, after all had ended, for what could not be written down; it is a stop like any", async () => {
    await using folder = await testFolder();
    const { constellation, said, journal, state } = await fakeConstellation(folder.path);
    await constellation.start();
    const { services } = await state();
    // No file can be written there, as on a full disk.
    await rm(dataDirAt(join(folder.path, "data")).run, { recursive: true });
    process.kill(services["runner"]?.pid ?? 0, "SIGKILL");
    await eventually(() => said.some((line) => line.startsWith("run/constellation.json: Error")));
    await constellation[Symbol.asyncDispose]();
    expect(await journal()).toContain("session-identity stopped");
  });

  test("starts a killed service again at the same ports, and says so", async () => {
    await using folder = await testFolder();
    const { constellation, said, state } = await fakeConstellation(folder.path);
    await using _running = constellation;
    await constellation.start();
    const before = (await state()).services["runner"];
    process.kill(before?.pid ?? 0, "SIGKILL");
    const after = await eventually(async () => {
      const now = (await state()).services["runner"];
      return now !== undefined && now.pid !== null && now.pid !== before?.pid ? now : undefined;
    });
    expect(after).toMatchObject({ restarts: 1, admin: before?.admin, grpc: before?.grpc });
    await eventually(() =>
      fetch(`${after.admin}/readyz`).then(
        (r) => r.ok,
        () => false,
      ),
    );
    expect(said).toContain(
      `runner (pid ${before?.pid}) was ended by SIGKILL: starting it again in 200 ms`,
    );
  });

  test("a service ends by SIGKILL when it does not drain and a second signal comes", async () => {
    await using folder = await testFolder();
    const { constellation, force, journal } = await fakeConstellation(folder.path, {
      FAKE_DELIVERY: "deaf",
    });
    await constellation.start();
    const stopped = constellation[Symbol.asyncDispose]();
    await eventually(async () => (await journal()).includes("runner stopped"));
    force.abort();
    await stopped;
    expect(await journal()).not.toContain("delivery stopped");
  });

  test("a wrong configuration fails the start instead of trying for ever", async () => {
    await using folder = await testFolder();
    const { constellation, journal } = await fakeConstellation(folder.path, {
      FAKE_DELIVERY: "78",
    });
    await expect(constellation.start()).rejects.toThrow(
      "delivery cannot start: its configuration is wrong.",
    );
    await constellation[Symbol.asyncDispose]();
    expect((await journal()).filter((line) => line === "delivery started")).toHaveLength(1);
  });

  test("a configuration that is wrong for a while, once all were ready, ends no service for good", async () => {
    await using folder = await testFolder();
    const { constellation, journal, state } = await fakeConstellation(folder.path, {
      FAKE_RUNNER: "78 then",
    });
    await using _running = constellation;
    await constellation.start();
    process.kill((await state()).services["runner"]?.pid ?? 0, "SIGKILL");
    await eventually(async () => {
      const starts = (await journal()).filter((line) => line === "runner started").length;
      return starts === 3 && typeof (await state()).services["runner"]?.pid === "number";
    });
  });

  test("a service that crashes at every start fails the start and shows its last words", async () => {
    await using folder = await testFolder();
    const { constellation, said, journal } = await fakeConstellation(folder.path, {
      FAKE_RUNNER: "crash",
    });
    await expect(constellation.start()).rejects.toThrow("runner does not come up.");
    await constellation[Symbol.asyncDispose]();
    expect((await journal()).filter((line) => line === "runner started")).toHaveLength(4);
    expect(said.some((line) => line.startsWith("runner: Error: boom"))).toBe(true);
  });

  test("a stop during the start ends what was started", async () => {
    await using folder = await testFolder();
    const { constellation, stop, state } = await fakeConstellation(folder.path);
    const starting = constellation.start();
    await eventually(async () => (await state().catch(() => undefined))?.services["ingress"]?.pid);
    const { services } = await state();
    stop.abort(new Error("SIGTERM"));
    await Promise.allSettled([starting]);
    await constellation[Symbol.asyncDispose]();
    for (const { pid } of Object.values(services)) {
      expect(pid === null ? undefined : await processLife(pid)).toBeUndefined();
    }
  });

  test("keeps logs and secrets from other users, and each service's secrets from the others", async () => {
    await using folder = await testFolder();
    const { constellation, state } = await fakeConstellation(folder.path, {
      LANEKEEPER_MODEL_API_KEY: "sk-model",
      http_proxy: "http://proxy.example:3128",
    });
    await using _running = constellation;
    await constellation.start();
    const { services, dataDir } = await state();
    const env = async (name: string): Promise<Record<string, string>> =>
      JSON.parse(await (await fetch(`${services[name]?.admin}/`)).text());
    const [runner, ingress] = [await env("runner"), await env("ingress")];
    expect(ingress["LANEKEEPER_API_KEY"]).toMatch(/^lk_/);
    expect(runner["LANEKEEPER_API_KEY"]).toBeUndefined();
    expect(runner["LANEKEEPER_MODEL_API_KEY"]).toBe("sk-model");
    expect(ingress["LANEKEEPER_MODEL_API_KEY"]).toBeUndefined();
    expect(runner["DATABASE_URL"]).toBeUndefined();
    expect(runner["LANEKEEPER_RUNNER_DATABASE_URL"]).toBe(
      "postgres://nobody:secret@127.0.0.1:1/none",
    );
    expect(runner["no_grpc_proxy"]).toContain("127.0.0.1");
    const logged = () => readFile(join(dataDir, "logs/runner.log"), "utf8");
    await eventually(async () => (await logged()).includes('"msg":"ready"'));
    for (const file of ["cluster-secret", "api-key", "run/constellation.json", "logs/runner.log"]) {
      expect((await stat(join(dataDir, file))).mode & 0o777).toBe(0o600);
    }
  });

  test("starts a killed Postgres again at the same port, and leaves the services alone", async () => {
    await using folder = await testFolder();
    const embedded = { DATABASE_URL: undefined };
    const { constellation, said, state } = await fakeConstellation(folder.path, embedded);
    await using _running = constellation;
    await constellation.start();
    const before = await eventually(async () => {
      const now = await state();
      return now.postgres === undefined ? undefined : now;
    });
    process.kill(before.postgres?.pid ?? 0, "SIGKILL");
    const after = await eventually(async () => {
      const now = await state();
      const isAnother = now.postgres !== undefined && now.postgres.pid !== before.postgres?.pid;
      return isAnother ? now : undefined;
    });
    expect(after.postgres?.port).toBe(before.postgres?.port);
    expect(after.services).toEqual(before.services);
    expect(said).toContain("Postgres was ended by SIGKILL: starting it again");
    expect(await processLife(after.postgres?.pid ?? 0)).toBeDefined();
  });

  test("leaves no Postgres behind when it stops", async () => {
    await using folder = await testFolder();
    const { constellation, state } = await fakeConstellation(folder.path, {
      DATABASE_URL: undefined,
    });
    await constellation.start();
    const postgres = await eventually(async () => (await state()).postgres);
    await constellation[Symbol.asyncDispose]();
    expect(await processLife(postgres.pid)).toBeUndefined();
  });

  test("the embedded Postgres takes as many connections as larger pools ask for, and 200 at least", async () => {
    await using folder = await testFolder();
    const taken = async (env: Record<string, string>) => {
      const embedded = { DATABASE_URL: undefined, ...env };
      const { constellation, state } = await fakeConstellation(folder.path, embedded);
      await using _running = constellation;
      await constellation.start();
      const { dataDir, postgres } = await state();
      const url = await superuserUrl(dataDirAt(dataDir).postgres, postgres?.port ?? 0);
      const log = () => undefined;
      await using db = createDatabase({ url, poolSize: 1, applicationName: "test", log });
      return (await db.query("SHOW max_connections")).rows;
    };
    expect(await taken({})).toEqual([{ max_connections: "200" }]);
    expect(await taken({ LANEKEEPER_POOL_SIZE: "100" })).toEqual([{ max_connections: "1304" }]);
  });

  test("a service with a database of its own keeps its URL where the others have the embedded one", async () => {
    await using folder = await testFolder();
    const own = "postgres://runner:secret@db.example:5433/turns";
    const { constellation, state } = await fakeConstellation(folder.path, {
      DATABASE_URL: undefined,
      LANEKEEPER_RUNNER_DATABASE_URL: own,
    });
    await using _running = constellation;
    await constellation.start();
    const { services, postgres } = await state();
    const env = async (name: string): Promise<Record<string, string>> =>
      JSON.parse(await (await fetch(`${services[name]?.admin}/`)).text());
    const [runner, delivery] = [await env("runner"), await env("delivery")];
    expect(runner["LANEKEEPER_RUNNER_DATABASE_URL"]).toBe(own);
    expect(delivery["LANEKEEPER_DELIVERY_DATABASE_URL"]).toContain(`:${postgres?.port}/`);
  });
});
