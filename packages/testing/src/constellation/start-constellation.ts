import { chmod, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { copyTemplate } from "@lanekeeper/embedded-postgres";
import {
  type ServiceCredential,
  serviceCredential,
  type ServiceName as PeerName,
} from "@lanekeeper/rpc";
import { eventually } from "../eventually.ts";
import { type ConnectCall, connectJson } from "./connect-json.ts";
import { freeEnvironment } from "./free-environment.ts";
import { type Program, runProgram } from "./program.ts";
import { type RunState, readRunState, type ServiceName } from "./state.ts";

export interface ConstellationOptions {
  /** LANEKEEPER_LEASE_MS. Takeover after a kill takes one of them: tests of it want a short one. */
  readonly leaseMs?: number;
  /** On top of an environment without the developer's own settings. */
  readonly env?: Readonly<Record<string, string>>;
  /** The text of LANEKEEPER_CONFIG's file. */
  readonly config?: string;
  /** The default agent's endpoint, such as a ModelServer. Without one: the scripted model. */
  readonly model?: { readonly baseUrl: string };
  /** An existing data dir, kept by `stop`. Without one: a folder that `stop` removes. */
  readonly dataDir?: string;
  /** True: the program makes its database, as at a user's first start, instead of finding an empty one. */
  readonly makesDatabase?: boolean;
}

/** The real `lanekeeper start`, at free ports. Disposal is `stop`. */
export interface TestConstellation extends AsyncDisposable {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly dataDir: string;
  /** "host:port" of each service's gRPC. */
  readonly targets: Readonly<Record<ServiceName, string>>;
  /** What a service shows; honoured by the services of this constellation. */
  credential(service: PeerName): ServiceCredential;
  /** Connect JSON at ingress, with the first credential. */
  readonly call: ConnectCall;
  state(): Promise<RunState>;
  pids(): Promise<Record<ServiceName, number | null>>;
  /** Default SIGKILL. Resolves when the process is another one. */
  kill(service: ServiceName, signal?: NodeJS.Signals): Promise<void>;
  /** `kill -9` of the postmaster. Resolves when the supervisor has started another. */
  killPostgres(): Promise<void>;
  /** Resolves when every `/readyz` says so. */
  waitReady(timeoutMs?: number): Promise<void>;
  /** What a service has logged so far, a parsed line each. */
  logs(service: ServiceName): Promise<Record<string, unknown>[]>;
  /** What `lanekeeper start` has said so far. */
  output(): string;
  readonly program: Program;
  /** SIGTERM, and the end. */
  stop(): Promise<void>;
}

/** A cold start with initdb takes some 6 s on two idle cores. */
const START_TIMEOUT_MS = 120_000;

/** The command to paste, whole. */
const LAST_LINE = /^curl .*\n/m;

/** Starts everything and resolves when it is ready. */
export async function startConstellation(
  options: ConstellationOptions = {},
): Promise<TestConstellation> {
  const dataDir = options.dataDir ?? (await temporaryFolder());
  const postgres = join(dataDir, "postgres");
  if (options.makesDatabase !== true && !existsSync(postgres)) await copyTemplate(postgres);
  const program = runProgram({ args: ["start"], env: await environment(dataDir, options) });
  const stop = async () => {
    program.process.kill("SIGTERM");
    await program.ended;
    if (options.dataDir === undefined)
      await rm(dataDir, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    const state = await untilReady(program, dataDir);
    return await handle({ program, dataDir, state, stop, env: options.env ?? {} });
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Started {
  readonly program: Program;
  readonly dataDir: string;
  readonly state: RunState;
  readonly stop: () => Promise<void>;
  readonly env: Readonly<Record<string, string>>;
}

async function handle(started: Started): Promise<TestConstellation> {
  const { program, dataDir, stop, env } = started;
  const { url: baseUrl, services } = started.state;
  const apiKey = env["LANEKEEPER_API_KEY"] ?? (await readSecret(dataDir, "api-key"));
  const clusterSecret =
    env["LANEKEEPER_CLUSTER_SECRET"] ?? (await readSecret(dataDir, "cluster-secret"));
  const state = () => eventually(() => readRunState(dataDir), { what: "constellation.json" });
  return {
    baseUrl,
    apiKey,
    dataDir,
    targets: each(services, ({ grpc }) => grpc),
    credential: (service) => serviceCredential(service, clusterSecret),
    call: connectJson(baseUrl, apiKey),
    state,
    pids: async () => each((await state()).services, ({ pid }) => pid),
    kill: (service, signal = "SIGKILL") => killService(state, service, signal),
    killPostgres: () => killPostgres(state),
    waitReady: (timeoutMs = 60_000) => waitReady(services, timeoutMs),
    logs: async (service) => parseLines(await readFile(services[service].log, "utf8")),
    output: () => program.output(),
    program,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function readSecret(dataDir: string, name: string): Promise<string> {
  return (await readFile(join(dataDir, name), "utf8")).trim();
}

async function environment(
  dataDir: string,
  { env = {}, leaseMs, config, model }: ConstellationOptions,
): Promise<Record<string, string>> {
  const configFile = join(dataDir, "test-config.yaml");
  if (config !== undefined) {
    await mkdir(dataDir, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
    await writeFile(configFile, config);
  }
  return freeEnvironment({
    LANEKEEPER_DATA_DIR: dataDir,
    LANEKEEPER_LOG_LEVEL: "debug",
    ...(leaseMs === undefined ? {} : { LANEKEEPER_LEASE_MS: String(leaseMs) }),
    ...(config === undefined ? {} : { LANEKEEPER_CONFIG: configFile }),
    ...(model === undefined
      ? {}
      : { LANEKEEPER_MODEL_BASE_URL: model.baseUrl, LANEKEEPER_MODEL: "stand-in" }),
    ...env,
  });
}

async function temporaryFolder(): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "lanekeeper-test-")));
  // Under root Postgres runs as another account, which must be able to pass.
  if (process.getuid?.() === 0) await chmod(folder, 0o711);
  return folder;
}

async function untilReady(program: Program, dataDir: string): Promise<RunState> {
  let ended = false;
  void program.ended.then(() => (ended = true));
  const found = await eventually(
    async (): Promise<RunState | "ended" | undefined> => {
      if (ended) return "ended";
      const state = await readRunState(dataDir);
      return state?.ready && state.pid === program.process.pid ? state : undefined;
    },
    { timeoutMs: START_TIMEOUT_MS, what: "lanekeeper ready" },
  ).catch((error: unknown) => {
    throw new Error(`lanekeeper start did not become ready:\n${program.output()}`, {
      cause: error,
    });
  });
  if (found === "ended") throw new Error(`lanekeeper start ended:\n${program.output()}`);
  // It is ready before it has said so, and what it says comes in pieces.
  const hasSaidAll = () => LAST_LINE.test(program.output());
  await eventually(hasSaidAll, { what: "the command to try, which ends what a start says" });
  return found;
}

async function killService(
  state: () => Promise<RunState>,
  service: ServiceName,
  signal: NodeJS.Signals,
): Promise<void> {
  const pid = await eventually(async () => (await state()).services[service].pid, {
    what: `${service} runs`,
  });
  process.kill(pid, signal);
  const isAnother = async () => {
    const now = (await state()).services[service].pid;
    return now !== null && now !== pid;
  };
  await eventually(isAnother, { timeoutMs: 60_000, what: `${service} is started again` });
}

async function killPostgres(state: () => Promise<RunState>): Promise<void> {
  const pid = await eventually(async () => (await state()).postgres?.pid, {
    what: "Postgres runs",
  });
  process.kill(pid, "SIGKILL");
  const isAnother = async () => {
    const now = (await state()).postgres?.pid;
    return now !== undefined && now !== pid;
  };
  await eventually(isAnother, { timeoutMs: 60_000, what: "Postgres is started again" });
}

async function waitReady(services: RunState["services"], timeoutMs: number): Promise<void> {
  for (const [name, { admin }] of Object.entries(services)) {
    const isReady = async () => (await fetch(`${admin}/readyz`)).ok;
    await eventually(isReady, { timeoutMs, what: `${name} is ready` });
  }
}

function each<T, R>(
  record: Readonly<Record<ServiceName, T>>,
  pick: (one: T) => R,
): Record<ServiceName, R> {
  const entries = Object.entries(record).map(([name, one]) => [name, pick(one)]);
  return Object.fromEntries(entries) as Record<ServiceName, R>;
}

/** Without the last line while it is being written. */
function parseLines(text: string): Record<string, unknown>[] {
  const lines = text.match(/^\{.*(?=\n)/gm) ?? [];
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}
