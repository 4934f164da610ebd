import { readSettings, tlsPaths } from "@lanekeeper/service";
import { dataDirAt } from "../constellation/folder/data-dir.ts";
import { isExternal } from "../constellation/database/database.ts";
import { lockHolder } from "../constellation/folder/lock.ts";
import { readOptional } from "../constellation/folder/small-file.ts";
import { readState } from "../constellation/folder/state-file.ts";
import { lookAtDatabase } from "../doctor/database.ts";
import type { Finding } from "../doctor/finding.ts";
import { lookAtConfig, lookAtDataDir, lookAtVariables } from "../doctor/installation.ts";
import { lookAtMachine } from "../doctor/machine.ts";
import { lookAtReplicas } from "../doctor/replicas.ts";
import { lookAtRoom } from "../doctor/room.ts";
import { lookAtRunning } from "../doctor/running.ts";
import { lookAtPorts, lookAtServices, singleServices } from "../doctor/services.ts";
import { type Output, showJson } from "../output.ts";

/**
 * `lanekeeper doctor`: looks at everything that could keep Lanekeeper from working here, and changes
 * nothing. Ends with 1 if it found a problem; that it does not run is one, where it was started before.
 */
export async function doctor(options: { json?: true }, output: Output): Promise<void> {
  const findings = await examine();
  const problems = findings.filter(({ verdict }) => verdict === "problem").length;
  if (problems > 0) process.exitCode = 1;
  if (options.json)
    return showJson(output, { problems, findings: findings.map((one) => ({ ...one })) });
  const width = Math.max(...findings.map(({ subject }) => subject.length));
  for (const { subject, verdict, text } of findings) {
    output.line(`${verdict.padEnd(7)}  ${subject.padEnd(width)}  ${text}`);
  }
  output.line(problems === 0 ? "no problems found" : `problems found: ${problems}`);
}

async function examine(): Promise<Finding[]> {
  const settings = readSettings();
  const dir = dataDirAt(settings.dataDir);
  const holder = await lockHolder(dir);
  const state = holder === undefined ? undefined : await readState(dir);
  const clusterSecret =
    settings.clusterSecret?.reveal() ?? (await readOptional(dir.clusterSecretFile));
  const singles = state === undefined ? await singleServices(settings) : [];
  return [
    ...lookAtMachine(process.env, !isExternal(settings)),
    ...lookAtVariables(),
    await lookAtDataDir(dir),
    ...(await lookAtRoom(dir)),
    await lookAtRunning({ dir, holder, state, singles, isExternal: isExternal(settings) }),
    ...(await lookAtConfig(settings)),
    ...(await lookAtDatabase({ settings, clusterSecret, state })),
    ...(state === undefined ? await lookAtPorts(settings, singles) : await lookAtServices(state)),
    ...(await lookAtReplicas({
      env: process.env,
      state,
      clusterSecret,
      tls: () => tlsPaths(settings, "cli"),
    })),
  ];
}
