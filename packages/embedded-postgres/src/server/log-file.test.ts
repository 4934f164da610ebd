import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { logTail, openLog, shorten } from "./log-file.ts";
import { testFolder } from "../testing/support.ts";

test("a log beyond its bound moves to the file before, and the writer goes on in the same file", async () => {
  await using folder = await testFolder();
  const path = join(folder.path, "postgres.log");
  const { handle } = await openLog(path);
  await handle.appendFile("long line\n");
  await shorten(path, 5);
  await handle.appendFile("new\n");
  await handle.close();
  expect(await readFile(path, "utf8")).toBe("new\n");
  expect(await readFile(`${path}.1`, "utf8")).toBe("long line\n");
});

test("a log within its bound stays", async () => {
  await using folder = await testFolder();
  const path = join(folder.path, "postgres.log");
  await writeFile(path, "12345");
  await shorten(path, 5);
  expect(await readFile(path, "utf8")).toBe("12345");
});

test("the tail holds this start's lines only", async () => {
  await using folder = await testFolder();
  const path = join(folder.path, "postgres.log");
  await writeFile(path, "an earlier start\n");
  const log = await openLog(path);
  await log.handle.close();
  await appendFile(path, "this start\n");
  expect(await logTail(log)).toBe("this start\n");
});
