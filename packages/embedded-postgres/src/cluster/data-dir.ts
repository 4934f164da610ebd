import { constants } from "node:fs";
import { access, mkdir, realpath } from "node:fs/promises";
import { resolve } from "node:path";
import { isRoot } from "./account.ts";
import { EmbeddedPostgresError } from "../errors.ts";

/**
 * Makes the folder if there is none, and resolves to its real path, by which processes are known.
 * Under root a new one may be passed through, not listed, by the account that runs the server.
 * Throws `data_dir_unwritable`.
 */
export async function makeDataDir(path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true, mode: isRoot() ? 0o711 : 0o700 });
    const dataDir = await realpath(path);
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
    return dataDir;
  } catch (cause) {
    throw new EmbeddedPostgresError(
      "data_dir_unwritable",
      `No data can be kept in ${resolve(path)}: make the folder writable for this user, or set ` +
        "LANEKEEPER_DATA_DIR to another one.",
      { cause },
    );
  }
}
