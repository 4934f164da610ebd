import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { SampleProcess } from "../testing/sample-process.ts";

/** A child process with tsx takes half a second to come up, and several seconds on a busy machine. */
const SLOW = 60_000;

const sample = (SAMPLE: string, env: Record<string, string> = {}) =>
  new SampleProcess("service", { SAMPLE, ...env });

describe("a service process", { timeout: SLOW }, () => {
  test("is unready while it drains, alive all the time, and ends with 0", async () => {
    await using process = sample("drains until SIGUSR2");
    await process.line("ready");
    expect((await process.get("/readyz")).status).toBe(200);
    expect((await process.get("/version")).body).toMatchObject({
      service: "runner",
      schema: "0007",
    });
    process.child.kill("SIGTERM");
    await process.line("waiting for SIGUSR2");
    expect(await process.get("/readyz")).toEqual({
      status: 503,
      body: { status: "not ready", reasons: ["draining: SIGTERM"] },
    });
    expect((await process.get("/livez")).status).toBe(200);
    process.child.kill("SIGUSR2");
    expect(await process.exit()).toEqual({ code: 0, signal: null });
    expect(process.messages.slice(-3)).toEqual(["drained", "closed", "stopped"]);
  });

  test("Ctrl-C that arrives twice, from the terminal and through npm, drains in order", async () => {
    await using process = sample("drains until SIGUSR2");
    await process.line("ready");
    process.child.kill("SIGINT");
    process.child.kill("SIGINT");
    await process.line("waiting for SIGUSR2");
    process.child.kill("SIGUSR2");
    expect(await process.exit()).toEqual({ code: 0, signal: null });
  });

  test("a terminal that is closed drains it too", async () => {
    await using process = sample("drains until SIGUSR2");
    await process.line("ready");
    process.child.kill("SIGHUP");
    await process.line("waiting for SIGUSR2");
    process.child.kill("SIGUSR2");
    expect(await process.exit()).toEqual({ code: 0, signal: null });
  });

  test("a second signal ends it at once", async () => {
    await using process = sample("drains until SIGUSR2");
    await process.line("ready");
    process.child.kill("SIGTERM");
    await process.line("draining");
    const again = setInterval(() => process.child.kill("SIGTERM"), 50);
    expect(await process.exit()).toEqual({ code: 143, signal: null });
    clearInterval(again);
    expect(process.messages.at(-1)).toBe("second signal: ending at once");
  });

  test("a stop during the start ends it with 0", async () => {
    await using process = sample("starts slowly");
    await process.line("starting");
    expect((await process.get("/readyz")).body).toEqual({
      status: "not ready",
      reasons: ["starting"],
    });
    process.child.kill("SIGTERM");
    expect(await process.exit()).toEqual({ code: 0, signal: null });
    expect(process.messages).not.toContain("ready");
  });

  test.each([
    ["throws", "uncaughtException", "nobody catches me"],
    ["rejects", "unhandledRejection", "nobody waits for me"],
  ])(
    "what it %s and nobody caught is logged with its stack, and ends it with 1",
    async (how, origin, message) => {
      await using process = sample(how);
      expect(await process.exit()).toEqual({ code: 1, signal: null });
      const last = process.lines.at(-1);
      expect(last).toMatchObject({ level: "fatal", origin, err: { message } });
      expect(JSON.stringify(last)).toContain("service");
    },
  );

  test("a start that fails ends it with 1", async () => {
    await using process = sample("fails to start");
    expect(await process.exit()).toEqual({ code: 1, signal: null });
    expect(await process.line("start failed")).toMatchObject({ err: { message: "no store" } });
  });

  test("what was left open is named, and does not keep it alive", async () => {
    await using process = sample("leaves a timer");
    await process.line("ready");
    process.child.kill("SIGTERM");
    expect(await process.exit()).toEqual({ code: 0, signal: null });
    expect(await process.line("still alive after closing: ending")).toMatchObject({
      open: expect.arrayContaining(["Timeout"]),
    });
  });
});

test("a warning of Node is a line of the log like any other", async () => {
  await using process = sample("warns");
  const line = await process.line("a warning of Node");
  expect(line).toMatchObject({ level: "warn", err: { message: "sample warning" } });
});

describe("its environment", { timeout: SLOW }, () => {
  test("every wrong variable is a line, no secret is shown, the code says that a restart is no use", async () => {
    await using process = sample("", {
      LANEKEEPER_LEASE_MS: "soon",
      DATABASE_URL: "mysql://u:hunter2@h/d",
    });
    expect(await process.exit()).toEqual({ code: 78, signal: null });
    // In any order: pino writes a fatal line at once, past one that is still being written.
    expect(new Set(process.lines.map((line) => line["variable"]))).toEqual(
      new Set(["DATABASE_URL", "LANEKEEPER_LEASE_MS"]),
    );
    expect(JSON.stringify(process.lines)).not.toContain("hunter2");
  });

  test("a service that was started alone, without a database, is told what to set, without a stack", async () => {
    await using process = sample("", { LANEKEEPER_RUNNER_DATABASE_URL: "" });
    expect(await process.exit()).toEqual({ code: 78, signal: null });
    expect(process.lines).toMatchObject([
      { level: "fatal", variable: "LANEKEEPER_RUNNER_DATABASE_URL" },
    ]);
    expect(process.messages).toEqual([
      expect.stringMatching(/LANEKEEPER_RUNNER_DATABASE_URL or DATABASE_URL .*`npm start`/),
    ]);
    expect(process.lines[0]).not.toHaveProperty("err");
  });

  test.each([
    [
      "without a cluster secret, which ended with a stack,",
      "",
      /There is no cluster secret, .*nowhere/,
    ],
    ["with a cluster secret that can be guessed", "short", /The cluster secret has 5 characters/],
  ])("a service that was started alone %s is told what to set", async (_how, given, sentence) => {
    await using process = sample("knows its peers", {
      LANEKEEPER_CLUSTER_SECRET: given,
      LANEKEEPER_DATA_DIR: join(tmpdir(), "nowhere"),
    });
    expect(await process.exit()).toEqual({ code: 78, signal: null });
    const told = process.lines.find(({ level }) => level === "fatal");
    expect(told?.["msg"]).toMatch(sentence);
    expect(told?.["msg"]).toMatch(/set LANEKEEPER_CLUSTER_SECRET .*or run `npm start`/);
    expect(told).not.toHaveProperty("err");
  });

  test("a misspelt variable is told", async () => {
    await using process = sample("", { LANEKEEPER_LOG_LEVLE: "debug" });
    await process.line("ready");
    const told = process.lines.find((line) => line["variable"] === "LANEKEEPER_LOG_LEVLE");
    expect(told?.["msg"]).toContain("did you mean LANEKEEPER_LOG_LEVEL?");
  });

  test("an admin port that another service holds is told with variable and pid", async () => {
    await using holder = sample("");
    const { admin_port: port } = await holder.line("starting");
    await using process = sample("", { LANEKEEPER_RUNNER_ADMIN_PORT: String(port) });
    expect(await process.exit()).toEqual({ code: 1, signal: null });
    const told = JSON.stringify(await process.line("start failed"));
    expect(told).toContain("LANEKEEPER_RUNNER_ADMIN_PORT");
    // Elsewhere there is no /proc to look the holder up in.
    if (platform() === "linux") expect(told).toContain(`kill ${holder.child.pid}`);
  });
});

describe("under a supervisor", { timeout: SLOW }, () => {
  test("kill -9 of the supervisor leaves no orphan, though nobody reads the output any more", async () => {
    const folder = await mkdtemp(join(tmpdir(), "lanekeeper-run-"));
    const marker = join(folder, "marker");
    await using supervisor = new SampleProcess("supervisor", { SAMPLE_MARKER: marker });
    const { pid } = await supervisor.line("starting");
    await supervisor.line("ready");
    supervisor.child.kill("SIGKILL");
    await vi.waitFor(() => expect(isAlive(Number(pid))).toBe(false), { timeout: 30_000 });
    expect(await readFile(marker, "utf8")).toBe("closed");
    await rm(folder, { recursive: true });
  });

  test("Ctrl-C, which reaches the whole group, is the supervisor's to act on", async () => {
    await using process = new SampleProcess("service", { LANEKEEPER_SUPERVISED: "1" }, true);
    await process.line("ready");
    process.child.kill("SIGINT");
    process.child.disconnect();
    expect(await process.exit()).toEqual({ code: 0, signal: null });
    expect(await process.line("draining")).toMatchObject({ because: "the supervisor is gone" });
  });

  test("SIGTERM stops it, and the open channel does not keep it alive", async () => {
    await using process = new SampleProcess("service", { LANEKEEPER_SUPERVISED: "1" }, true);
    await process.line("ready");
    process.child.kill("SIGTERM");
    expect(await process.exit()).toEqual({ code: 0, signal: null });
    expect(process.messages).not.toContain("still alive after closing: ending");
  });
});

/** Signal 0 only asks. A zombie, which a container without an init never reaps, has ended all the same. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const stat = platform() === "linux" ? readFileSync(`/proc/${pid}/stat`, "utf8") : "";
    return !/\) Z /.test(stat);
  } catch {
    return false;
  }
}
