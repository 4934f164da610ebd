import { randomBytes } from "node:crypto";
import { readFile, rename, rm } from "node:fs/promises";
import { writeOwnFile } from "@lanekeeper/embedded-postgres";

/** Writes a file whole or not at all, readable by its owner alone. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await writeOwnFile(draft, text);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** The text of a file without white space around it; undefined where there is no file. */
export async function readOptional(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
