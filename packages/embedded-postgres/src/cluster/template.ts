import { execFile } from "node:child_process";
import { chmod, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { isRoot } from "./account.ts";
import { makeDataDir } from "./data-dir.ts";
import { findHome } from "./home.ts";
import { startEmbeddedPostgres } from "../server/start.ts";

/** Names a folder for the data dir that tests copy; who runs them sets it, and removes the folder. */
export const TEMPLATE_VARIABLE = "EMBEDDED_POSTGRES_TEMPLATE";

/** Their log and port are those of one server. */
const COPIED = ["cluster", "postgres-password"];

/**
 * Gives a data dir that is yet to be made the database of the template, an empty one: copying it takes
 * a twentieth of the CPU that initdb takes. Does nothing where there is no template. The first who
 * asks makes it; of several who do at once, one's is kept.
 */
export async function copyTemplate(dataDir: string): Promise<void> {
  const template = process.env[TEMPLATE_VARIABLE];
  if (template === undefined) return;
  if ((await findHome(template)) === undefined) await makeTemplate(template);
  await makeDataDir(dataDir);
  const parts = COPIED.map((name) => join(template, name));
  // Unlike Node's own, it leaves the files to the account that they belong to.
  await promisify(execFile)("cp", ["-a", ...parts, dataDir]);
}

async function makeTemplate(template: string): Promise<void> {
  const draft = await mkdtemp(`${template}-draft-`);
  // The account that runs the server must be able to pass.
  if (isRoot()) await chmod(draft, 0o711);
  try {
    const server = await startEmbeddedPostgres({
      dataDir: join(draft, "data"),
      durable: false,
      log: () => undefined,
    });
    await server.stop();
    await rename(join(draft, "data"), template).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}
