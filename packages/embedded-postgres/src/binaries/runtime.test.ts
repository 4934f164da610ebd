import { chmod, cp, lstat, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { nativeFolder } from "./platform-package.ts";
import { platformPackage, thisHost } from "./platform.ts";
import { prepareRuntime } from "./runtime.ts";
import { testFolder } from "../testing/support.ts";

const native = nativeFolder(platformPackage(thisHost()));
const log = () => undefined;

test("binaries that npm left without links and execute bits are put right in place", async () => {
  await using folder = await testFolder();
  const unpacked = join(folder.path, "native");
  await cp(native, unpacked, { recursive: true, verbatimSymlinks: true });
  const libraries = join(unpacked, "lib");
  for (const name of await readdir(libraries)) {
    const file = join(libraries, name);
    if ((await lstat(file)).isSymbolicLink()) await rm(file);
  }
  await chmod(join(unpacked, "bin", "postgres"), 0o644);

  const runtime = await prepareRuntime({
    native: unpacked,
    account: undefined,
    copyTo: folder.path,
    log,
  });
  expect(runtime).toEqual({ folder: unpacked, version: expect.stringMatching(/^18\.\d+$/) });
});

test("binaries that do not run are told with what they said", async () => {
  await using folder = await testFolder();
  const unpacked = join(folder.path, "native");
  await cp(join(native, "bin"), join(unpacked, "bin"), { recursive: true });
  const attempt = prepareRuntime({
    native: unpacked,
    account: undefined,
    copyTo: folder.path,
    log,
  });
  await expect(attempt).rejects.toMatchObject({ problem: "binaries_unusable" });
  await expect(attempt).rejects.toThrow(/lib/);
});
