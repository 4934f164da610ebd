import { constants } from "node:fs";
import { access, realpath } from "node:fs/promises";
import { join, resolve } from "node:path";
import { makeFolder } from "@lanekeeper/service";
import { CliError } from "../../cli-error.ts";

/** The folder of one installation on one machine. */
export interface DataDir {
  /** Its real path. */
  readonly path: string;
  /** The services' logs. */
  readonly logs: string;
  /** What runs now: the lock, pids and ports. */
  readonly run: string;
  /** The embedded Postgres. */
  readonly postgres: string;
  readonly clusterSecretFile: string;
  readonly apiKeyFile: string;
}

/** Where things lie in a data dir; nothing is looked at. */
export function dataDirAt(path: string): DataDir {
  return {
    path,
    logs: join(path, "logs"),
    run: join(path, "run"),
    postgres: join(path, "postgres"),
    clusterSecretFile: join(path, "cluster-secret"),
    apiKeyFile: join(path, "api-key"),
  };
}

const USABLE = constants.R_OK | constants.W_OK | constants.X_OK;

/**
 * Makes the folder if there is none: of mode 0700, or, for root, 0711, since Postgres runs under
 * another account that must pass through. What is secret in it has mode 0600 by itself.
 */
export async function openDataDir(path: string): Promise<DataDir> {
  try {
    await makeFolder(path, process.getuid?.() === 0 ? 0o711 : 0o700);
    const real = dataDirAt(await realpath(path));
    await access(real.path, USABLE);
    for (const folder of [real.logs, real.run]) {
      await makeFolder(folder, 0o700);
      await access(folder, USABLE);
    }
    return real;
  } catch (cause) {
    throw new CliError(
      `Nothing can be kept in ${resolve(path)}: make the folder writable for this user, or set ` +
        "LANEKEEPER_DATA_DIR to another one.",
      { cause },
    );
  }
}
