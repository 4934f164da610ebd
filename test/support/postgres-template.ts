import { chmod, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TEMPLATE_VARIABLE } from "@lanekeeper/embedded-postgres";

/** For the length of one run of tests: the databases that they throw away are copies of one. */
export default async function setup(): Promise<() => Promise<void>> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "lanekeeper-template-")));
  // Under root the account that runs Postgres must be able to pass.
  if (process.getuid?.() === 0) await chmod(folder, 0o711);
  process.env[TEMPLATE_VARIABLE] = join(folder, "postgres");
  return () => rm(folder, { recursive: true, force: true });
}
