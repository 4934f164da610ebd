import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { platform, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeFolder } from "./make-folder.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lanekeeper-folder-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

test("what is missing is made, with its mode, also by several at once and when it is there", async () => {
  const path = join(folder, "a", "b", "c");
  await Promise.all([makeFolder(path, 0o700), makeFolder(path, 0o700)]);
  await makeFolder(path, 0o700);
  for (const made of [path, join(folder, "a")]) {
    expect((await stat(made)).mode & 0o777).toBe(0o700);
  }
});

test("below a file it fails with what the system says", async () => {
  await writeFile(join(folder, "file"), "");
  await expect(makeFolder(join(folder, "file", "a"))).rejects.toMatchObject({ code: "ENOTDIR" });
});

test.skipIf(platform() !== "linux")(
  "in /proc, where Node's own tries for ever, it fails (skipped where there is no /proc)",
  async () => {
    await expect(makeFolder("/proc/x/data")).rejects.toMatchObject({ code: "ENOENT" });
  },
);
