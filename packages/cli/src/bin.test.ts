import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { testFolder } from "./fixtures/folder.ts";

const BIN = fileURLToPath(new URL("../bin/lanekeeper.js", import.meta.url));

async function lanekeeper(
  args: string[],
  env: Record<string, string> = {},
  nodeArgs: string[] = [],
) {
  const child = spawn(process.execPath, [...nodeArgs, BIN, ...args], {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(child, "close");
  const texts = [child.stdout, child.stderr].map(async (stream) => {
    let text = "";
    for await (const part of stream) text += String(part);
    return text;
  });
  const [out = "", err = ""] = await Promise.all(texts);
  await closed;
  return { code: child.exitCode, out, err };
}

function pretend(version: string): string[] {
  const code = `Object.defineProperty(process.versions, "node", { value: "${version}" });`;
  const whole = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } });`;
  return ["--import", `data:text/javascript,try{${code}}catch{${whole}}`];
}

test.each(["16.20.2", "18.20.8", "20.18.3"])(
  "on Node %s one sentence says what to do",
  async (version) => {
    const { code, out, err } = await lanekeeper(["start"], {}, pretend(version));
    expect(err).toBe(
      `Lanekeeper needs Node 20.19 or later, and this is Node ${version}: install a newer one (https://nodejs.org) and start again.\n`,
    );
    expect({ code, out }).toEqual({ code: 1, out: "" });
  },
);

test("NODE_ENV=production changes nothing", async () => {
  const { code, out } = await lanekeeper(["--version"], { NODE_ENV: "production" });
  expect({ code, out }).toEqual({ code: 0, out: "0.1.0\n" });
});

test("a wrong variable is told without a stack", async () => {
  const { code, err } = await lanekeeper(["start"], { LANEKEEPER_PORT: "eighty" });
  expect(err).toBe(
    'LANEKEEPER_PORT is "eighty": expected a port from 0 to 65535 (0: any free one).\n',
  );
  expect(code).toBe(1);
});

test.skipIf(process.platform !== "linux")(
  "a data dir that cannot be made is told, instead of being tried for ever (skipped without /proc)",
  async () => {
    const { code, err } = await lanekeeper(["start"], { LANEKEEPER_DATA_DIR: "/proc/x" });
    expect(err).toBe(
      "Nothing can be kept in /proc/x: make the folder writable for this user, or set LANEKEEPER_DATA_DIR to another one.\n",
    );
    expect(code).toBe(1);
  },
);

test("a service that does not exist is told with those that do", async () => {
  const { code, err } = await lanekeeper(["start", "identity"]);
  expect(err).toContain(
    "There is no service identity: start one of session-identity, runner, delivery, ingress",
  );
  expect(code).toBe(1);
});

test("doctor finds a config that is wrong, and nothing else, on a machine that is right", async () => {
  await using folder = await testFolder();
  const env = {
    LANEKEEPER_DATA_DIR: `${folder.path}/data`,
    LANEKEEPER_CONFIG: `${folder.path}/c.yaml`,
    LANEKEEPER_PROT: "1",
  };
  const ports = {
    LANEKEEPER_PORT: "0",
    LANEKEEPER_RUNNER_PORT: "0",
    LANEKEEPER_IDENTITY_PORT: "0",
  };
  const { code, out } = await lanekeeper(["doctor", "--json"], { ...env, ...ports });
  const { findings } = JSON.parse(out) as {
    findings: { subject: string; verdict: string; text: string }[];
  };
  expect(code).toBe(1);
  expect(
    findings.filter(({ verdict, subject }) => verdict === "problem" && subject !== "ports"),
  ).toEqual([expect.objectContaining({ subject: "config" })]);
  expect(findings).toContainEqual({
    subject: "variable",
    verdict: "note",
    text: "LANEKEEPER_PROT has no effect; did you mean LANEKEEPER_PORT?",
  });
});
