import { readSettings } from "@lanekeeper/service";
import { CliError } from "../cli-error.ts";
import { loadConfig } from "../config/load.ts";
import { unsetLine, unsetVariables } from "../config/unset-variables.ts";
import type { Config } from "../config/schema.ts";
import { applyConfig } from "../constellation/apply-config.ts";
import { awaitService } from "../operator/await-service.ts";
import { openPeer, type PeerTargets, peerTargets } from "../operator/peer.ts";
import { type Output, showJson } from "../output.ts";

interface Json {
  readonly json?: true;
}

/**
 * `lanekeeper config check [file]`: says what is wrong, and changes nothing. Variables that are not set
 * here are told and no fault of the file: the services may have them.
 */
export async function checkConfig(
  file: string | undefined,
  options: Json,
  output: Output,
): Promise<void> {
  const { path, config } = await load(file);
  const unset = unsetVariables(config, process.env);
  if (options.json) {
    const tenants = Object.keys(config.tenants);
    return showJson(output, { file: path, tenants, unset: unset.map((one) => ({ ...one })) });
  }
  for (const [tenant, { agents }] of Object.entries(config.tenants)) {
    output.line(`${tenant}: ${Object.keys(agents).join(", ")}`);
  }
  for (const one of unset) output.line(`note: ${unsetLine(one)}`);
  output.line(`${path} can be applied`);
}

/** `lanekeeper config apply [file]`: in force at once, for the tenants that it names. */
export async function applyConfigFile(
  file: string | undefined,
  options: Json,
  output: Output,
): Promise<void> {
  const { path, config } = await load(file);
  const targets = await peerTargets();
  await awaitPeer(targets, (line) => output.problem(line));
  const applied = await applyConfig(config, targets);
  if (options.json) {
    const tenants = applied.map(({ tenant, schedules, ...versions }) => ({
      tenant,
      policiesVersion: String(versions.policiesVersion),
      agentsVersion: String(versions.agentsVersion),
      settingsVersion: String(versions.settingsVersion),
      schedules,
    }));
    return showJson(output, { file: path, tenants });
  }
  for (const { tenant, policiesVersion, agentsVersion, settingsVersion, schedules } of applied) {
    output.line(
      `${tenant}: key policies at version ${policiesVersion}, agents at version ${agentsVersion}, settings at version ${settingsVersion}, ${schedules} schedules`,
    );
  }
}

/** Each service is told: that one of them is away is said before the first is. */
async function awaitPeer(targets: PeerTargets, tell: (line: string) => void): Promise<void> {
  using peer = openPeer(targets);
  await awaitService(peer.identity, { service: "session-identity", tell });
  await awaitService(peer.runner, { service: "runner", tell });
  await awaitService(peer.delivery, { service: "delivery", tell });
  await awaitService(peer.ingress, { service: "ingress", tell });
}

async function load(file: string | undefined): Promise<{ path: string; config: Config }> {
  if (file !== undefined) return { path: file, config: await loadConfig(file) };
  const path = readSettings().config;
  if (path === undefined) throw new CliError("Name a file, or set LANEKEEPER_CONFIG to one.");
  return { path, config: await loadConfig(path, "LANEKEEPER_CONFIG") };
}
