import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import { EnvError } from "./env.ts";
import type { ServiceName } from "./services.ts";
import type { Settings } from "./settings.ts";

/** Who shows a certificate: a service, or the operator's program. */
export type TlsParty = ServiceName | "cli";

/** PEM files of one party. Paths are absolute. */
export interface TlsPaths {
  readonly certFile: string;
  readonly keyFile: string;
  /** The roots that the others' certificates are checked by. */
  readonly caFile: string;
}

const VARIABLES = {
  certFile: "LANEKEEPER_TLS_CERT_FILE",
  keyFile: "LANEKEEPER_TLS_KEY_FILE",
  caFile: "LANEKEEPER_TLS_CA_FILE",
} as const;

/**
 * The files by which a party shows who it is and knows the others, with `{service}` in a path replaced
 * by its name; undefined: no TLS. Read once here, so that what is wrong with them is told at the start.
 * @throws EnvError where only some are named, or they cannot be used
 */
export async function tlsPaths(
  { tls }: Pick<Settings, "tls">,
  party: TlsParty,
): Promise<TlsPaths | undefined> {
  const { certFile, keyFile, caFile } = tls;
  if (certFile === undefined && keyFile === undefined && caFile === undefined) return undefined;
  const missing = (["certFile", "keyFile", "caFile"] as const).find((name) => !tls[name]);
  if (certFile === undefined || keyFile === undefined || caFile === undefined) {
    const variable = VARIABLES[missing ?? "certFile"];
    const all = Object.values(VARIABLES).join(", ");
    throw wrong(variable, `${variable} is not set: TLS needs all of ${all}.`);
  }
  const of = (path: string) => path.replaceAll("{service}", party);
  const paths = { certFile: of(certFile), keyFile: of(keyFile), caFile: of(caFile) };
  await check(paths);
  return paths;
}

async function check(paths: TlsPaths): Promise<void> {
  // One after another: of several that are not there it is always the first that is told.
  const cert = await read("certFile", paths);
  const key = await read("keyFile", paths);
  const ca = await read("caFile", paths);
  try {
    createSecureContext({ ca });
  } catch (error) {
    throw unusable("caFile", paths, error);
  }
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw unusable("certFile", paths, error);
  }
}

async function read(name: keyof TlsPaths, paths: TlsPaths): Promise<Buffer> {
  try {
    return await readFile(paths[name]);
  } catch (error) {
    throw unusable(name, paths, error);
  }
}

function unusable(name: keyof TlsPaths, paths: TlsPaths, error: unknown): EnvError {
  const because = error instanceof Error ? error.message : String(error);
  const variable = VARIABLES[name];
  return wrong(variable, `${variable} leads to ${paths[name]}, which is of no use: ${because}.`);
}

function wrong(variable: string, sentence: string): EnvError {
  return new EnvError([{ variable, sentence }]);
}
