import { type FileHandle, open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { isRoot } from "./account.ts";

/**
 * Writes a file of mode 0600 that is not there yet; `durable`: and syncs it to disk. Under root it belongs to
 * whom its folder belongs: root may start what an ordinary user began, whose next start must be able to
 * read what root's has left.
 * @throws what the system says, with its code: EEXIST where there is one
 */
export async function writeOwnFile(
  path: string,
  text: string,
  { durable = false } = {},
): Promise<void> {
  const file = await makeOwnFile(path, "wx");
  try {
    await file.writeFile(text);
    if (durable) await file.sync();
  } finally {
    await file.close();
  }
}

/** Opens one of that kind to append to it. One that is there keeps its owner. */
export async function openOwnFile(path: string): Promise<FileHandle> {
  return makeOwnFile(path, "ax").catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
    return open(path, "a", 0o600);
  });
}

async function makeOwnFile(path: string, flags: "ax" | "wx"): Promise<FileHandle> {
  const file = await open(path, flags, 0o600);
  if (!isRoot()) return file;
  const { uid, gid } = await stat(dirname(path));
  // By its handle: a path could lead elsewhere by now.
  if (uid !== 0) await file.chown(uid, gid);
  return file;
}
