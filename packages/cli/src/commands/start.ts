import { fileURLToPath } from "node:url";
import type { JsonValue } from "@bufbuild/protobuf";
import { readSettings, type Settings, tlsPaths } from "@lanekeeper/service";
import { loadConfig } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { type Configuring, configuring } from "../constellation/configuring.ts";
import { banner, type BannerInput, readyDocument } from "../constellation/banner.ts";
import { CLOSE_ALLOWANCE_MS, Constellation } from "../constellation/constellation.ts";
import { type DataDir, openDataDir } from "../constellation/folder/data-dir.ts";
import { awaitLeftovers } from "../constellation/folder/leftovers.ts";
import { takeLock } from "../constellation/folder/lock.ts";
import { type PortPlan, planPorts } from "../constellation/ports/ports.ts";
import { prepareDatabase } from "../constellation/database/prepare-database.ts";
import { type Credentials, openCredentials } from "../constellation/folder/secrets.ts";
import {
  aborted,
  StopRequest,
  unlessCalledOff,
  unlessStopped,
} from "../constellation/processes/stop-request.ts";
import { youngGenerationFlags } from "../constellation/processes/young-generation.ts";
import { targetOf } from "../constellation/ports/targets.ts";
import type { Output } from "../output.ts";

/** The program that a service's process runs. */
export const PROGRAM = fileURLToPath(new URL("../../bin/lanekeeper.js", import.meta.url));

export interface StartOptions {
  readonly json?: boolean;
}

/**
 * `lanekeeper start`: the whole constellation on this machine, until a signal ends it.
 * @throws an error whose message says what to do, when it does not come up
 */
export async function start({ json = false }: StartOptions, output: Output): Promise<void> {
  const settings = readSettings();
  const tell = (line: string) => (json ? tellJson(output, { step: line }) : output.line(line));
  const tellReady = (about: BannerInput): void => {
    if (json) tellJson(output, { ready: readyDocument(about) });
    else for (const line of banner(about)) tell(line);
  };
  const request = new StopRequest();
  using _signals = request.listen();
  const config =
    settings.config === undefined
      ? undefined
      : await loadConfig(settings.config, "LANEKEEPER_CONFIG");
  const dir = await openDataDir(settings.dataDir);
  await using lock = await takeLock(dir);
  tell(`data in ${dir.path}`);
  if (lock.recoveredFrom !== undefined) {
    tell(`process ${lock.recoveredFrom} ended without giving its lock back: taking over`);
    const graceMs = settings.drainTimeoutMs + CLOSE_ALLOWANCE_MS;
    const gone = awaitLeftovers({ dir, graceMs, tell, stop: request.stop });
    await unlessCalledOff(request.stop, gone);
  }
  if (!request.stop.aborted) await run({ settings, config, dir, request, tell, tellReady });
  tell("stopped");
}

/** A document on each line, as it comes: a start goes on until it is stopped. */
function tellJson(output: Output, document: JsonValue): void {
  output.text(JSON.stringify(document));
}

interface Start {
  readonly settings: Settings;
  /** Undefined: LANEKEEPER_CONFIG is not set. */
  readonly config: Config | undefined;
  readonly dir: DataDir;
  readonly request: StopRequest;
  readonly tell: (line: string) => void;
  /** Once all runs: what a person, or a program, needs to know. */
  readonly tellReady: (about: BannerInput) => void;
}

async function run(start: Start): Promise<void> {
  const { settings, dir, request, tell } = start;
  const ports = await planPorts(settings);
  const credentials = await openCredentials(dir, given(settings));
  const { stop, force } = request;
  const flags = await youngGenerationFlags(process.env);
  await using constellation = new Constellation({
    settings,
    env: process.env,
    dir,
    ports,
    credentials,
    program: {
      command: process.execPath,
      args: (service) => [...flags, PROGRAM, "start", service],
    },
    prepare: (database) => prepareDatabase({ database, settings, credentials, tell }),
    tell,
    stop,
    force,
  });
  // What fails while all is stopped again is told: a Postgres that does not end, for one.
  await unlessCalledOff(stop, serve({ ...start, constellation, ports, credentials }));
}

interface Serving extends Start {
  readonly constellation: Constellation;
  readonly ports: PortPlan;
  readonly credentials: Credentials;
}

/** Starts it and resolves once it is asked to stop. Rejects where the start fails, or is called off. */
async function serve(serving: Serving): Promise<void> {
  const { settings, config, dir, request, tell, tellReady } = serving;
  const { constellation, ports, credentials } = serving;
  const { stop } = request;
  const configuration = await configurationOf(serving);
  await constellation.start(() => configuration.applyBehindIngress());
  const applied = await unlessStopped(stop, configuration.applyAtIngress());
  await constellation.markReady();
  const model = config === undefined ? settings.model : undefined;
  tellReady({ ports, credentials, config: applied, model, logs: dir.logs });
  await aborted(stop);
  tell("draining; a second Ctrl-C ends everything at once");
}

async function configurationOf(serving: Serving): Promise<Configuring> {
  const { settings, config, ports, credentials, tell } = serving;
  const targets = {
    identity: targetOf("session-identity", ports, process.env),
    runner: targetOf("runner", ports, process.env),
    ingress: targetOf("ingress", ports, process.env),
    delivery: targetOf("delivery", ports, process.env),
    clusterSecret: credentials.clusterSecret,
    tls: await tlsPaths(settings, "cli"),
    stop: serving.request.stop,
  };
  return configuring(config, { settings, targets, tell });
}

function given({ clusterSecret, apiKey }: Settings): Parameters<typeof openCredentials>[1] {
  return { clusterSecret: clusterSecret?.reveal(), apiKey: apiKey?.reveal() };
}
