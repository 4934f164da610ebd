import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Secret } from "@lanekeeper/service";
import { captureLog } from "@lanekeeper/service/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ensureBootstrapKey } from "./bootstrap.ts";
import { type Credential, hashKey } from "./credential.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lanekeeper-ingress-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

function fakeStore(replaced = false) {
  const stored: Credential[] = [];
  const put = async (credential: Credential): Promise<boolean> => {
    stored.push(credential);
    return replaced;
  };
  return { put, stored };
}

describe("the first credential", () => {
  test("is the one of the environment, with all scopes of the tenant default", async () => {
    const { put, stored } = fakeStore();
    const apiKey = new Secret("lk_from_the_environment_0123456789");
    await ensureBootstrapKey({ put }, { apiKey, dataDir: folder }, captureLog().log);
    expect(stored).toEqual([
      {
        principal: "bootstrap",
        tenant: "default",
        keyHash: hashKey(apiKey.reveal()),
        scopes: ["chat", "adapter", "operator", "admin"],
        agents: [],
        keyPrefixes: [],
      },
    ]);
    await expect(stat(join(folder, "api-key"))).rejects.toThrow("ENOENT");
  });

  test.each(["a key with spaces in it", "schlüssel-der-lang-genug-ist", `lk_${"x".repeat(5_000)}`])(
    "that no request could show was taken, and refused everybody: %.30s",
    async (text) => {
      const { put, stored } = fakeStore();
      const settings = { apiKey: new Secret(text), dataDir: folder };
      const ensured = ensureBootstrapKey({ put }, settings, captureLog().log);
      await expect(ensured).rejects.toMatchObject({
        problems: [
          { variable: "LANEKEEPER_API_KEY", sentence: expect.stringContaining("cannot stand in") },
        ],
      });
      await expect(ensured).rejects.not.toThrow(text);
      expect(stored).toEqual([]);
    },
  );

  test("is made once when there is none, readable by its owner alone, and never logged", async () => {
    const dataDir = join(folder, "data");
    const { put, stored } = fakeStore();
    const log = captureLog();
    const ensure = () => ensureBootstrapKey({ put }, { apiKey: undefined, dataDir }, log.log);
    await Promise.all([ensure(), ensure()]);
    await ensure();
    const key = (await readFile(join(dataDir, "api-key"), "utf8")).trim();
    expect(key).toMatch(/^lk_[\w-]{43}$/);
    expect((await stat(join(dataDir, "api-key"))).mode & 0o777).toBe(0o600);
    expect(new Set(stored.map(({ keyHash }) => keyHash.toString("hex")))).toEqual(
      new Set([hashKey(key).toString("hex")]),
    );
    expect(log.text()).not.toContain(key);
  });

  test("that several processes make at once is one, which none of them reads half written", async () => {
    const { put, stored } = fakeStore();
    const settings = { apiKey: undefined, dataDir: join(folder, "data") };
    const ensure = () => ensureBootstrapKey({ put }, settings, captureLog().log);
    await Promise.all(Array.from({ length: 20 }, ensure));
    expect(new Set(stored.map(({ keyHash }) => keyHash.toString("hex"))).size).toBe(1);
    expect(await readdir(settings.dataDir)).toEqual(["api-key"]);
  });

  test("in an empty file is a mistake that is told", async () => {
    await writeFile(join(folder, "api-key"), "\n");
    const { put } = fakeStore();
    const ensured = ensureBootstrapKey(
      { put },
      { apiKey: undefined, dataDir: folder },
      captureLog().log,
    );
    await expect(ensured).rejects.toThrow("is empty: delete it");
  });

  test("that begins like a key made by RPC and is none would be refused at every door: it is told", async () => {
    const { put, stored } = fakeStore();
    const apiKey = new Secret("lk1_0123456789abcdef_cut-short");
    const ensured = ensureBootstrapKey({ put }, { apiKey, dataDir: folder }, captureLog().log);
    await expect(ensured).rejects.toThrow("mistyped or cut short");
    expect(stored).toEqual([]);
  });

  test("that is another than before, or easily guessed, is warned of", async () => {
    const { put } = fakeStore(true);
    const log = captureLog();
    await ensureBootstrapKey({ put }, { apiKey: new Secret("short"), dataDir: folder }, log.log);
    const warned = log.lines.filter(({ level }) => level === "warn").map(({ msg }) => msg);
    expect(warned).toEqual([
      expect.stringContaining("can be guessed"),
      expect.stringContaining("no longer works"),
    ]);
  });
});
