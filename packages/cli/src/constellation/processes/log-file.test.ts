import { readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testFolder } from "../../fixtures/folder.ts";
import { LogFile } from "./log-file.ts";

const line = (text: string) => Buffer.from(`${text}\n`);

test("a log beyond its bound moves to the file before; none is larger than that", async () => {
  await using folder = await testFolder();
  const path = join(folder.path, "runner.log");
  await using log = new LogFile(path, { maxBytes: 12 });
  for (const text of ["first", "second", "third"]) await log.append(line(text));
  expect(await readFile(`${path}.1`, "utf8")).toBe("second\n");
  expect(await readFile(path, "utf8")).toBe("third\n");
});

test("a log that was removed, or moved away, is begun again at its place", async () => {
  await using folder = await testFolder();
  const path = join(folder.path, "runner.log");
  await using log = new LogFile(path, { lookMs: 0 });
  await log.append(line("before"));
  await rm(path);
  await log.append(line("after its removal"));
  expect(await readFile(path, "utf8")).toBe("after its removal\n");
  await rename(path, join(folder.path, "kept.log"));
  await log.append(line("after its move"));
  expect(await readFile(path, "utf8")).toBe("after its move\n");
});
