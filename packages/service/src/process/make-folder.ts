import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";

/**
 * Makes a folder and what is missing above it, all with this mode. Node's own `recursive` tries for ever
 * where a folder says that it is there and takes no entry (ENOENT), as /proc does; this tries each
 * folder of the path once.
 * @throws what the system says, with its code
 */
export async function makeFolder(path: string, mode = 0o777): Promise<void> {
  for (const folder of await missing(resolve(path))) {
    await mkdir(folder, { mode }).catch((error: NodeJS.ErrnoException) => {
      // Somebody else was faster.
      if (error.code !== "EEXIST") throw error;
    });
  }
}

/** The folders that are not there, from the top down. */
async function missing(path: string): Promise<string[]> {
  const found: string[] = [];
  for (let at = path; !(await isThere(at)); at = dirname(at)) {
    found.unshift(at);
    if (at === dirname(at)) break;
  }
  return found;
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
