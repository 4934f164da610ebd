import { once } from "node:events";
import { createIdentityClient } from "@lanekeeper/client";
import { serviceCredential } from "@lanekeeper/rpc";
import { eventually, freeEnvironment, type Program, runProgram } from "@lanekeeper/testing";
import { AGENT, TENANT } from "../names.ts";

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

export async function startIdentity(options: IdentityProcessOptions): Promise<IdentityProcess> {
  const { databaseUrl, secret, cpuProf } = options;
  const program = runProgram({
    args: ["start", "session-identity"],
    env: freeEnvironment({
      LANEKEEPER_IDENTITY_DATABASE_URL: databaseUrl,
      LANEKEEPER_CLUSTER_SECRET: secret,
      // It ends when its IPC channel does, that is with us, however we end.
      LANEKEEPER_SUPERVISED: "1",
      ...(cpuProf === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${cpuProf}` }),
    }),
  });
  const stop = () => stopProgram(program);
  try {
    const { grpcPort, adminPort } = await untilServing(program);
    const target = `127.0.0.1:${grpcPort}`;
    await applyPolicies(target, secret);
    const metrics = `http://127.0.0.1:${adminPort}/metrics`;
    return { target, residentBytes: () => residentBytes(metrics), [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function untilServing(program: Program): Promise<{ grpcPort: string; adminPort: string }> {
  const ports = await eventually(
    () => {
      if (program.process.exitCode !== null) return "ended";
      const grpcPort = /"grpc_port":(\d+)/.exec(program.output())?.[1];
      const adminPort = /"admin_port":(\d+)/.exec(program.output())?.[1];
      return grpcPort !== undefined && adminPort !== undefined && { grpcPort, adminPort };
    },
    { timeoutMs: 60_000, what: "session-identity serves" },
  );
  if (ports === "ended") throw new Error(`the service ended:\n${program.output()}`);
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

async function stopProgram({ process }: Program): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return;
  const ended = once(process, "exit");
  process.kill("SIGTERM");
  await ended;
}
