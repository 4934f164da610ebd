import { chown, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../fixtures/folder.ts";
import { LogFile } from "../processes/log-file.ts";
import { openDataDir } from "./data-dir.ts";
import { takeLock } from "./lock.ts";
import { replaceFile } from "./small-file.ts";

const UID = 12_001;

test.skipIf(process.getuid?.() !== 0)(
  "under root what is made in a user's data dir belongs to that user, the lock too, or that user's start would not see it (skipped as an ordinary user)",
  async () => {
    await using folder = await testFolder();
    const dir = await openDataDir(join(folder.path, "data"));
    for (const path of [dir.path, dir.logs, dir.run]) await chown(path, UID, UID);
    await using _lock = await takeLock(dir);
    await replaceFile(dir.apiKeyFile, "lk_key\n");
    await using log = new LogFile(join(dir.logs, "runner.log"), { maxBytes: 10 });
    for (const line of ["rotated away\n", "new\n"]) await log.append(Buffer.from(line));
    const made = await readdir(dir.path, { recursive: true });
    expect(made.sort()).toEqual([
      ...["api-key", "logs", "logs/runner.log", "logs/runner.log.1"],
      ...["run", expect.stringMatching(/^run\/alive-/), "run/lock-1.json"],
    ]);
    for (const name of made) expect((await stat(join(dir.path, name))).uid, name).toBe(UID);
  },
);
