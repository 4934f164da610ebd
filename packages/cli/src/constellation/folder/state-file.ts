import { join } from "node:path";
import { rm } from "node:fs/promises";
import type { DataDir } from "./data-dir.ts";
import { readOptional, replaceFile } from "./small-file.ts";

/** `run/constellation.json`: what runs on a data dir now, for tools and tests. Holds no secret. */
export interface ConstellationState {
  /** Of the supervisor. */
  readonly pid: number;
  readonly dataDir: string;
  /** Where people and SDKs go. */
  readonly url: string;
  /** Undefined where LANEKEEPER_API_KEY gave the key. */
  readonly apiKeyFile?: string | undefined;
  /** True once every service is ready and the configuration is applied. */
  readonly ready: boolean;
  /** Undefined where DATABASE_URL names a server of somebody else's. */
  readonly postgres?: { readonly pid: number; readonly port: number } | undefined;
  readonly services: Readonly<Record<string, ServiceState>>;
}

export interface ServiceState {
  /** Null between a death and the restart. */
  readonly pid: number | null;
  /** Which life of that pid: the system gives it to others, after a reboot above all. */
  readonly life?: string | undefined;
  /** How often it was started again. */
  readonly restarts: number;
  /** "host:port" of gRPC. */
  readonly grpc: string;
  /** Where the others were told to find its replicas; undefined of ingress, which nobody inside calls. */
  readonly target?: string | undefined;
  /** Of `/livez`, `/readyz`, `/metrics`, `/version`. */
  readonly admin: string;
  readonly log: string;
}

export function stateFile(dir: DataDir): string {
  return join(dir.run, "constellation.json");
}

export function writeState(dir: DataDir, state: ConstellationState): Promise<void> {
  return replaceFile(stateFile(dir), `${JSON.stringify(state, undefined, 2)}\n`);
}

export function removeState(dir: DataDir): Promise<void> {
  return rm(stateFile(dir), { force: true });
}

/** Undefined where nothing runs, or where the file was left by what was killed: look at the lock. */
export async function readState(dir: DataDir): Promise<ConstellationState | undefined> {
  const text = await readOptional(stateFile(dir));
  return text === undefined ? undefined : (JSON.parse(text) as ConstellationState);
}
