import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createIdentityClient } from "@lanekeeper/client";
import { serviceCredential } from "@lanekeeper/rpc";
import { eventually, freeEnvironment } from "@lanekeeper/testing";
import { AGENT, TENANT } from "../names.ts";
import { profileFlags } from "../../shared/worker-process.ts";

/** The service as `lanekeeper start session-identity` runs it, in a process of its own. */
export interface IdentityProcess extends AsyncDisposable {
  readonly target: string;
  /** Resident memory, as the service itself reports it to Prometheus. */
  residentBytes(): Promise<number>;
}

export interface IdentityProcessOptions {
  readonly databaseUrl: string;
  readonly secret: string;
  /** A folder for the V8 profile that the process writes when it ends. */
  readonly cpuProf: string | undefined;
}

const BIN = fileURLToPath(new URL("../../../../packages/cli/bin/lanekeeper.js", import.meta.url));

export async function startIdentity(options: IdentityProcessOptions): Promise<IdentityProcess> {
  const child = spawnService(options);
  const output = collected(child);
  const stop = () => stopChild(child);
  try {
    const { grpcPort, adminPort } = await untilServing(child, output);
    const target = `127.0.0.1:${grpcPort}`;
    await applyPolicies(target, options.secret);
    const metrics = `http://127.0.0.1:${adminPort}/metrics`;
    return { target, residentBytes: () => residentBytes(metrics), [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function spawnService({ databaseUrl, secret, cpuProf }: IdentityProcessOptions): ChildProcess {
  return spawn(process.execPath, [...profileFlags(cpuProf), BIN, "start", "session-identity"], {
    env: freeEnvironment({
      LANEKEEPER_IDENTITY_DATABASE_URL: databaseUrl,
      LANEKEEPER_CLUSTER_SECRET: secret,
      // It ends when its IPC channel does, that is with us, however we end.
      LANEKEEPER_SUPERVISED: "1",
    }),
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
}

/** Its log lines so far. */
function collected({ stdout, stderr }: ChildProcess): () => string {
  let text = "";
  for (const stream of [stdout, stderr]) {
    stream?.setEncoding("utf8").on("data", (more: string) => (text += more));
  }
  return () => text;
}

async function untilServing(
  child: ChildProcess,
  output: () => string,
): Promise<{ grpcPort: string; adminPort: string }> {
  const ports = await eventually(
    () => {
      if (child.exitCode !== null) return "ended";
      const grpcPort = /"grpc_port":(\d+)/.exec(output())?.[1];
      const adminPort = /"admin_port":(\d+)/.exec(output())?.[1];
      return grpcPort !== undefined && adminPort !== undefined && { grpcPort, adminPort };
    },
    { timeoutMs: 60_000, what: "session-identity serves" },
  );
  if (ports === "ended") throw new Error(`the service ended:\n${output()}`);
  return ports;
}

async function applyPolicies(target: string, secret: string): Promise<void> {
  const credential = serviceCredential("cli", secret);
  using cli = createIdentityClient({ target, credential, defaults: { tenant: TENANT } });
  await cli.applyKeyPolicies({ defaultAgentId: AGENT, policies: [{ agentId: AGENT }] });
}

async function residentBytes(metrics: string): Promise<number> {
  const text = await (await fetch(metrics)).text();
  const bytes = /^process_resident_memory_bytes\S* (\S+)/m.exec(text)?.[1];
  if (bytes === undefined) throw new Error("the service reports no resident memory");
  return Number(bytes);
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}
