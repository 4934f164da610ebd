import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { copyTemplate } from "@lanekeeper/embedded-postgres";
import {
  eventually,
  freeEnvironment,
  runProgram,
  startConstellation,
  startModelServer,
  type TestConstellation,
} from "@lanekeeper/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dataDirAt, openDataDir } from "./constellation/folder/data-dir.ts";
import { processLife } from "./constellation/processes/process-life.ts";
import { readState, writeState } from "./constellation/folder/state-file.ts";
import { pastedCurl } from "./fixtures/pasted-curl.ts";
import { type TestFolder, testFolder } from "./fixtures/folder.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

async function ask(
  baseUrl: string,
  apiKey: string,
  text: string,
  headers: Record<string, string> = {},
) {
  const response = await fetch(`${baseUrl}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: "lanekeeper", messages: [{ role: "user", content: text }] }),
  });
  const body = (await response.json()) as { choices?: { message: { content: string } }[] };
  return {
    status: response.status,
    headers: response.headers,
    text: body.choices?.[0]?.message.content,
    body,
  };
}

async function lanekeeper(dataDir: string, ...args: string[]) {
  const program = runProgram({ args, env: freeEnvironment({ LANEKEEPER_DATA_DIR: dataDir }) });
  const { code } = await program.ended;
  return { code, output: program.output() };
}

describe("lanekeeper start", () => {
  test("says a line per step, answers the curl that it shows, and leaves nothing running", async () => {
    await using running = await startConstellation({ makesDatabase: true });
    const said = running.output();
    expect(said).toContain("lanekeeper ready");
    expect(said).toContain("scripted: built in, no language model");
    const curl = said.split("\n").find((line) => line.startsWith("curl ")) ?? "";
    const { url, headers, body } = await pastedCurl(curl);
    const answer = await fetch(url, { method: "POST", headers, body });
    expect(await answer.json()).toMatchObject({ object: "chat.completion" });
    // A program is told the same in documents, which say no secret.
    const migrated = await lanekeeper(running.dataDir, "migrate", "--json");
    const { steps, schemas } = JSON.parse(migrated.output) as Record<"steps" | "schemas", unknown>;
    expect(steps).toContain("the database is up to date");
    expect(schemas).toMatchObject(
      ["session-identity", "runner", "delivery", "ingress"].map((service) => ({
        ...{ service, applied: [], version: expect.any(Number) },
      })),
    );
    const beside = await lanekeeper(running.dataDir, "start");
    expect(beside).toEqual({
      code: 1,
      output: expect.stringContaining(`Process ${running.program.process.pid} already runs on`),
    });

    const { services, postgres } = await running.state();
    await running.stop();
    expect((await running.program.ended).code).toBe(0);
    for (const { pid } of Object.values(services)) {
      expect(await processLife(pid ?? 0)).toBeUndefined();
    }
    expect(await processLife(postgres?.pid ?? 0)).toBeUndefined();
  });

  test("tells a program each step, where everything is, and its end, a document on a line", async () => {
    await using folder = await testFolder();
    const dataDir = join(folder.path, "data");
    await copyTemplate(dataDirAt(dataDir).postgres);
    const env = freeEnvironment({ LANEKEEPER_DATA_DIR: dataDir });
    const program = runProgram({ args: ["start", "--json"], env });
    const documents = () =>
      program
        .output()
        .split("\n")
        // Behind the last line break stands nothing, or a line that is still coming.
        .slice(0, -1)
        .map((line) => JSON.parse(line) as { step?: string; ready?: Record<string, unknown> });
    const ready = await eventually(() => documents().find((one) => one.ready)?.ready, {
      ...{ timeoutMs: 120_000, what: "the document that tells where everything is" },
    });
    const key = join(dataDir, "api-key");
    expect(ready).toMatchObject({ apiKeyFile: key, logs: join(dataDir, "logs") });
    expect(Object.keys(ready["admin"] as object)).toHaveLength(4);
    const answer = await ask(String(ready["url"]), (await readFile(key, "utf8")).trim(), "hello");
    expect(answer.status).toBe(200);
    program.process.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
    expect(documents().at(-1)).toEqual({ step: "stopped" });
    expect(program.output()).not.toContain((await readFile(key, "utf8")).trim());
  });

  test("whoever asks a first start as soon as it takes requests is answered: it refused them, for want of an agent", async () => {
    await using folder = await testFolder();
    const dataDir = join(folder.path, "data");
    const env = freeEnvironment({ LANEKEEPER_DATA_DIR: dataDir });
    const program = runProgram({ args: ["start"], env });
    const options = { timeoutMs: 120_000, what: "an answer", pollMs: 2 };
    const { url } = await eventually(() => readState(dataDirAt(dataDir)), options);
    const key = (await readFile(join(dataDir, "api-key"), "utf8")).trim();
    const statuses: number[] = [];
    const isAnswered = async () => {
      statuses.push((await ask(url, key, "hello")).status);
      return statuses.at(-1) === 200;
    };
    await eventually(isAnswered, options);
    // What says that it is to be asked again may come before that, what says that it is not may not.
    expect(statuses.filter((status) => status < 500)).toEqual([200]);
    await eventually(() => /^curl .*\n/m.test(program.output()), options);
    program.process.kill("SIGTERM");
    expect((await program.ended).code).toBe(0);
  });

  test("kill -9 of the supervisor leaves nothing running, and the next start finds everything", async () => {
    await using folder = await testFolder();
    const dataDir = join(folder.path, "data");
    await using model = await startModelServer();
    const first = await startConstellation({ dataDir, model });
    const named = { "x-session-key": "kept" };
    const before = await ask(first.baseUrl, first.apiKey, "remember tea", named);
    const { services, postgres } = await first.state();
    first.program.process.kill("SIGKILL");
    await first.program.ended;
    const pids = [...Object.values(services).map(({ pid }) => pid ?? 0), postgres?.pid ?? 0];
    await eventually(
      async () => (await Promise.all(pids.map(processLife))).every((life) => life === undefined),
      { timeoutMs: 60_000, what: "all processes are gone" },
    );

    await using second = await startConstellation({ dataDir, model });
    const killed = first.program.process.pid;
    expect(second.output()).toContain(`process ${killed} ended without giving its lock back`);
    expect(second.apiKey).toBe(first.apiKey);
    const after = await ask(second.baseUrl, second.apiKey, "what was it?", named);
    expect(after.headers.get("x-session-id")).toBe(before.headers.get("x-session-id"));
    expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain("remember tea");
  });

  test.each(["start", "migrate"])(
    "kill -9 of %s while its Postgres is not ready yet leaves none running",
    async (command) => {
      await using folder = await testFolder();
      const dir = dataDirAt(join(folder.path, "data"));
      const env = freeEnvironment({ LANEKEEPER_DATA_DIR: dir.path });
      const program = runProgram({ args: [command], env });
      const pidFile = join(dir.postgres, "cluster", "postmaster.pid");
      const pid = await eventually(
        async () => Number.parseInt(await readFile(pidFile, "utf8"), 10) || undefined,
        {
          pollMs: 1,
        },
      );
      program.process.kill("SIGKILL");
      await eventually(async () => (await processLife(pid)) === undefined, {
        what: "Postgres is gone",
      });
    },
  );

  test("a start that is stopped while it waits for a killed one's services says so, and has not failed", async () => {
    await using folder = await testFolder();
    const dir = await openDataDir(join(folder.path, "data"));
    const service = spawn("sleep", ["60"]);
    const killed = spawn("true");
    await once(killed, "exit");
    const life = await processLife(service.pid ?? 0);
    const runner = { pid: service.pid ?? 0, life, restarts: 0, grpc: "", admin: "", log: "" };
    const state = { pid: killed.pid ?? 0, dataDir: dir.path, url: "", ready: true };
    await writeState(dir, { ...state, services: { runner } });
    await writeFile(
      join(dir.run, "lock-1.json"),
      JSON.stringify({ pid: killed.pid, life: "ended" }),
    );
    const env = freeEnvironment({ LANEKEEPER_DATA_DIR: dir.path });
    const program = runProgram({ args: ["start"], env });
    await eventually(() => program.output().includes("waiting for services of the killed start"));
    program.process.kill("SIGTERM");
    expect((await program.ended).code, program.output()).toBe(0);
    expect(program.output().trim().split("\n").at(-1)).toBe("stopped");
    expect(await processLife(service.pid ?? 0)).toBe(life);
    service.kill();
  });

  test.each(["SIGTERM", "SIGKILL"] as const)(
    "npm start ended by %s leaves nothing running",
    async (signal) => {
      await using folder = await testFolder();
      const dir = dataDirAt(join(folder.path, "data"));
      await copyTemplate(dir.postgres);
      const env = freeEnvironment({ LANEKEEPER_DATA_DIR: dir.path });
      const npm = spawn("npm", ["start"], { cwd: ROOT, env, stdio: "ignore" });
      const isReady = async () => {
        const state = await readState(dir);
        return state?.ready ? state : undefined;
      };
      const { pid, services, postgres } = await eventually(isReady, { timeoutMs: 120_000 });
      npm.kill(signal);
      const pids = [pid, postgres?.pid ?? 0, ...Object.values(services).map((one) => one.pid ?? 0)];
      await eventually(
        async () => (await Promise.all(pids.map(processLife))).every((life) => life === undefined),
        { timeoutMs: 60_000, what: "all processes are gone" },
      );
    },
  );
});

/** Where a start has gone wrong before: a proxy in the environment, production, a long path with spaces. */
describe("behind a proxy, in production, and in a folder with a path of 200 characters", () => {
  let folder: TestFolder;
  let running: TestConstellation;

  beforeAll(async () => {
    folder = await testFolder();
    const proxy = "http://127.0.0.1:1";
    running = await startConstellation({
      dataDir: join(folder.path, "long ".repeat(40).trim()),
      leaseMs: 2_000,
      env: {
        http_proxy: proxy,
        https_proxy: proxy,
        HTTP_PROXY: proxy,
        NODE_ENV: "production",
      },
    });
  });
  afterAll(async () => {
    await running?.stop();
    await folder?.[Symbol.asyncDispose]();
  });

  test("a request is answered, and the key is for its owner alone", async () => {
    const { status } = await ask(running.baseUrl, running.apiKey, "hello", {
      "x-session-key": "p",
    });
    expect(status).toBe(200);
    expect((await stat(join(running.dataDir, "api-key"))).mode & 0o777).toBe(0o600);
  });

  test("migrate beside it, which the lock used to refuse, goes to its Postgres", async () => {
    const { postgres } = await running.state();
    const { code, output } = await lanekeeper(running.dataDir, "migrate");
    expect(output).toContain(
      `embedded Postgres of process ${running.program.process.pid} on port ${postgres?.port}`,
    );
    expect(output).toContain("lanekeeper_runner: at version");
    expect(output).toContain("the database is up to date");
    expect(code).toBe(0);
    expect((await ask(running.baseUrl, running.apiKey, "still there?")).status).toBe(200);
  });

  test("services and Postgres that are killed come back, and the next request is answered", async () => {
    for (const service of ["session-identity", "runner", "delivery", "ingress"] as const) {
      await running.kill(service);
      await running.waitReady();
    }
    await running.killPostgres();
    await running.waitReady();
    const { status, text } = await ask(running.baseUrl, running.apiKey, "still there?", {
      "x-session-key": "k",
    });
    expect({ status, text }).toEqual({
      status: 200,
      text: expect.stringContaining("still there?"),
    });
  });

  test("trace, sessions and lane tell what became of a request", async () => {
    const headers = { "x-session-key": "desk", "x-request-id": "req-1" };
    const answer = await ask(running.baseUrl, running.apiKey, "hello", headers);
    expect(answer.status).toBe(200);
    const turnId = answer.headers.get("x-turn-id") ?? "";
    const { dataDir } = running;

    for (const id of ["req-1", turnId]) {
      // What the caller was told is written after it was told.
      const traced = await eventually(async () => {
        const now = await lanekeeper(dataDir, "trace", id);
        return now.output.includes("the caller was told") ? now : undefined;
      });
      expect(traced, traced.output).toMatchObject({ code: 0 });
      expect(traced.output).toContain('received POST /v1/chat/completions for "desk"');
      expect(traced.output).toContain(`accepted as turn ${turnId} (STARTED)`);
      expect(traced.output).toContain("COMPLETED");
      expect(traced.output).toContain("the caller was told 200");
    }
    const json = JSON.parse((await lanekeeper(dataDir, "trace", turnId, "--json")).output);
    expect(json.turns).toEqual([expect.objectContaining({ turnId })]);
    expect(json.journal.length).toBeGreaterThan(0);

    expect((await lanekeeper(dataDir, "sessions", "get", "desk")).output).toContain(
      "agent:main:desk",
    );
    expect((await lanekeeper(dataDir, "sessions", "explain", "desk")).output).toContain(
      "leads to agent:main:desk",
    );
    const rests = (await lanekeeper(dataDir, "lane", "get", "desk")).output;
    expect(rests).toContain("0 turns wait");
    expect(rests).toContain('Nothing runs or waits under agent:main:desk: "lanekeeper sessions');
    expect((await lanekeeper(dataDir, "sessions", "journal", "dessk")).output).toContain(
      'No decision is recorded under agent:main:dessk: "lanekeeper sessions explain"',
    );
    const args = ["lane", "watch", "--agent", "main", "--prefix", "agent:main:de"];
    const watch = runProgram({ args, env: freeEnvironment({ LANEKEEPER_DATA_DIR: dataDir }) });
    await eventually(() => watch.output().includes("now each change"));
    const runs = /agent:main:desk {2}0 turns wait, [0-9a-f-]{36} runs, heartbeat/;
    const slow = ask(running.baseUrl, running.apiKey, "!sleep 4s", { "x-session-key": "desk" });
    await eventually(() => runs.test(watch.output()));
    await slow;
    await eventually(() => /runs, heartbeat[^]*agent:main:desk {2}no work/.test(watch.output()));
    // As under `| head`: it ends by itself with the next line that nobody reads.
    watch.process.stdout?.destroy();
    await eventually(async () => {
      await ask(running.baseUrl, running.apiKey, "!sleep 1s", { "x-session-key": "den" });
      return watch.process.exitCode === 0;
    });
    const written = (await lanekeeper(dataDir, "sessions", "export", "desk")).output.trim();
    const lines = written.split("\n").map((line) => JSON.parse(line));
    expect(lines[0]).toMatchObject({ type: "session", sessionKey: "agent:main:desk" });
    expect(lines.at(-1)).toEqual({ type: "end", messages: 4 });
    const sessions = runProgram({
      args: ["sessions", "watch", "--json"],
      env: freeEnvironment({ LANEKEEPER_DATA_DIR: dataDir }),
    });
    await eventually(() => sessions.output().includes("snapshotEnd"));
    expect((await lanekeeper(dataDir, "sessions", "reset", "desk")).output).toContain(
      "generation 1 → 2  RESET",
    );
    await eventually(() => /"changed".*"generation":"2"/.test(sessions.output()));
    sessions.process.kill();
    await sessions.ended;
    const { resumeToken } = JSON.parse(sessions.output().trim().split("\n").at(-1) ?? "");
    expect(resumeToken).toMatch(/./);
    expect((await lanekeeper(dataDir, "sessions", "journal", "desk")).output).toContain(
      "begin_run",
    );
    expect((await lanekeeper(dataDir, "sessions", "list")).output).toContain("generation 2");
    const examined = await lanekeeper(dataDir, "doctor");
    expect(examined, examined.output).toMatchObject({ code: 0 });
    const nothing = await lanekeeper(dataDir, "trace", "no-such-request");
    expect(nothing).toMatchObject({
      code: 1,
      output: expect.stringContaining("knows no-such-request"),
    });
  });
});

test("config apply is in force at once and survives a start without LANEKEEPER_CONFIG", async () => {
  await using folder = await testFolder();
  const dataDir = join(folder.path, "data");
  await using model = await startModelServer();
  const config = [
    "tenants:",
    "  default:",
    "    default_agent: clerk",
    "    agents:",
    "      clerk:",
    "        system_prompt: You are the clerk.",
    `        model: { base_url: "${model.baseUrl}", model: m }`,
  ].join("\n");
  const first = await startConstellation({ dataDir, config });
  expect((await ask(first.baseUrl, first.apiKey, "hello", { "x-session-key": "c" })).status).toBe(
    200,
  );
  expect(JSON.stringify(model.requests[0]?.messages)).toContain("You are the clerk.");
  await first.stop();
  await using second = await startConstellation({ dataDir });
  expect(second.output()).toContain("what was applied before stays");
  await ask(second.baseUrl, second.apiKey, "again", { "x-session-key": "c" });
  expect(JSON.stringify(model.requests[1]?.messages)).toContain("You are the clerk.");
});
