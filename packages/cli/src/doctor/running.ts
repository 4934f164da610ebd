import { readdir, stat } from "node:fs/promises";
import type { DataDir } from "../constellation/folder/data-dir.ts";
import type { ConstellationState } from "../constellation/folder/state-file.ts";
import { type Finding, note, ok, problem } from "./finding.ts";

export interface RunningInput {
  readonly dir: DataDir;
  /** The pid of who holds the data dir. */
  readonly holder: number | undefined;
  readonly state: ConstellationState | undefined;
  /** The services that run and that no start has. */
  readonly singles: readonly string[];
  /** The services bring no Postgres of their own: a data dir may be there for `migrate` alone. */
  readonly isExternal: boolean;
}

/**
 * Whether Lanekeeper runs on this data dir. That it does not is a problem once it has been started
 * there: who asks then has a complaint, or is about to.
 */
export async function lookAtRunning(input: RunningInput): Promise<Finding> {
  const { dir, holder, state, singles } = input;
  if (holder !== undefined && state?.ready === true) {
    return ok("running", `at ${state.url}, as process ${holder}`);
  }
  if (holder !== undefined) {
    return note(
      "running",
      `process ${holder} is at work and not ready: it starts, stops or migrates`,
    );
  }
  if (singles.length > 0) return ok("running", `${singles.join(", ")}, started one by one`);
  if (!(await wasStarted(input))) return note("running", 'nothing runs here yet: "npm start"');
  return problem(
    "running",
    `Lanekeeper does not run: start it with "npm start". What the services logged last is in ${dir.logs}.`,
  );
}

async function wasStarted({ dir, isExternal }: RunningInput): Promise<boolean> {
  const logs = await readdir(dir.logs).catch(() => []);
  if (logs.length > 0) return true;
  return !isExternal && (await stat(dir.run).catch(() => undefined)) !== undefined;
}
