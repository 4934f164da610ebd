import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readSettings } from "./settings.ts";
import { tlsPaths } from "./tls-settings.ts";

const of = (env: Record<string, string>) => tlsPaths(readSettings(env), "runner");

test("without its variables there is no TLS", async () => {
  expect(await of({})).toBeUndefined();
});

test("one of them alone is told by the one that is missing", async () => {
  await expect(
    of({ LANEKEEPER_TLS_CERT_FILE: "/c", LANEKEEPER_TLS_CA_FILE: "/a" }),
  ).rejects.toThrow("LANEKEEPER_TLS_KEY_FILE is not set");
});

test("files that are not there or of no use are told at the start, by variable and path", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lanekeeper-tls-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const env = {
    LANEKEEPER_TLS_CERT_FILE: join(folder, "{service}.pem"),
    LANEKEEPER_TLS_KEY_FILE: join(folder, "{service}.key"),
    LANEKEEPER_TLS_CA_FILE: join(folder, "ca.pem"),
  };
  await expect(of(env)).rejects.toThrow(
    `${join(folder, "runner.pem")}, which is of no use: ENOENT`,
  );
  for (const file of ["runner.pem", "runner.key", "ca.pem"]) {
    await writeFile(join(folder, file), "no PEM");
  }
  await expect(of(env)).rejects.toThrow("LANEKEEPER_TLS_CERT_FILE leads to");
});
