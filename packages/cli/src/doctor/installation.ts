import { access, constants, stat } from "node:fs/promises";
import {
  knownVariables,
  type ListenAddress,
  packageVersion,
  SERVICE_NAMES,
  type Settings,
  unknownVariables,
} from "@lanekeeper/service";
import { loadConfig } from "../config/load.ts";
import { unsetLine, unsetVariables } from "../config/unset-variables.ts";
import type { DataDir } from "../constellation/folder/data-dir.ts";
import { lockHolder } from "../constellation/folder/lock.ts";
import { planPorts } from "../constellation/ports/ports.ts";
import type { ConstellationState, ServiceState } from "../constellation/folder/state-file.ts";
import { probe } from "../constellation/processes/wait-ready.ts";
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

/** Free, as long as nothing of ours runs. */
export async function lookAtPorts(settings: Settings): Promise<Finding[]> {
  try {
    await planPorts(settings);
    return [ok("ports", `${listed(settings)} are free`)];
  } catch (error) {
    return describeError(error)
      .split("\n")
      .map((sentence) => problem("ports", sentence));
  }
}

/** Each service's own word. */
export function lookAtServices({ services }: ConstellationState): Promise<Finding[]> {
  return Promise.all(
    Object.entries(services).map(async ([name, service]) => ({
      ...(await lookAtService(name, service)),
      address: service.grpc,
    })),
  );
}

async function lookAtService(name: string, { admin, log }: ServiceState): Promise<Finding> {
  const { hostname, port } = new URL(admin);
  const found = await probe({ host: hostname, port: Number(port), variable: "" });
  if (!found.ready) {
    return problem(name, `${name} is not ready (${found.reasons.join(", ")}): look into ${log}.`);
  }
  const other = await otherVersion(admin);
  if (other === undefined) return ok(name, `ready at ${admin}`);
  return problem(
    name,
    `${name} is of version ${other}, this program of ${OWN_VERSION}: stop what runs and start it again ` +
      "from one installation.",
  );
}

const OWN_VERSION = packageVersion(import.meta.url);

/** The version that a service says it is of, where that is not this program's. */
async function otherVersion(admin: string): Promise<string | undefined> {
  const response = await fetch(new URL("/version", admin), { signal: AbortSignal.timeout(2_000) });
  const { version } = (await response.json()) as { version?: unknown };
  return version === OWN_VERSION ? undefined : String(version);
}

function listed({ http, services }: Settings): string {
  const addresses: ListenAddress[] = [
    http,
    ...SERVICE_NAMES.flatMap((name) => [services[name].grpc, services[name].admin]),
  ];
  return addresses.map(({ port }) => String(port)).join(", ");
}
