import { access, constants, stat } from "node:fs/promises";
import { knownVariables, type Settings, unknownVariables } from "@lanekeeper/service";
import { loadConfig } from "../config/load.ts";
import { unsetLine, unsetVariables } from "../config/unset-variables.ts";
import type { DataDir } from "../constellation/folder/data-dir.ts";
import { lockHolder } from "../constellation/folder/lock.ts";
import { describeError } from "../describe-error.ts";
import { type Finding, note, ok, problem } from "./finding.ts";

/** Variables that no one reads: most likely misspelt. */
export function lookAtVariables(): Finding[] {
  return unknownVariables(knownVariables, process.env, "LANEKEEPER_").map(({ name, meant }) =>
    note(
      "variable",
      `${name} has no effect${meant === undefined ? "" : `; did you mean ${meant}?`}`,
    ),
  );
}

/** The folder, and who runs on it. */
export async function lookAtDataDir(dir: DataDir): Promise<Finding> {
  const found = await stat(dir.path).catch(() => undefined);
  if (found === undefined) return ok("data dir", `${dir.path} will be made at the first start`);
  try {
    await access(dir.path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    return problem(
      "data dir",
      `${dir.path} is not writable: give it to this user, or set LANEKEEPER_DATA_DIR to another folder.`,
    );
  }
  const holder = await lockHolder(dir);
  return ok("data dir", holder === undefined ? dir.path : `${dir.path}, used by process ${holder}`);
}

export async function lookAtConfig({ config }: Settings): Promise<Finding[]> {
  if (config === undefined)
    return [ok("config", "LANEKEEPER_CONFIG is not set: one tenant with the agent main")];
  try {
    const loaded = await loadConfig(config, "LANEKEEPER_CONFIG");
    const unset = unsetVariables(loaded, process.env).map((one) => note("config", unsetLine(one)));
    return [ok("config", `${config}: ${Object.keys(loaded.tenants).length} tenants`), ...unset];
  } catch (error) {
    return [problem("config", describeError(error))];
  }
}
