import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { join } from "node:path";
import { promisify } from "node:util";

import { NO_PROXY } from "./document.ts";

const ROOT = join(import.meta.dirname, "../..");
const BUF = join(ROOT, "node_modules/.bin/buf");

/** A refusal as `buf curl` prints it, its details decoded by the protos alone. */
export interface BufRefusal {
  readonly code: string;
  readonly message: string;
  /** By type name. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface BufCurl {
  readonly target: string;
  readonly clusterSecret: string;
  /** Whose credential is shown; the documented one, made without code of ours. */
  readonly service: string;
  /** Where the descriptors come from. */
  readonly schema: "reflection" | "files";
}

/**
 * Calls a method of session-identity by `buf curl`, which shares no code with us: Go, its own gRPC.
 * Gives the answer's JSON. @throws BufRefused
 */
export async function bufCurl(options: BufCurl, method: string, request: object): Promise<unknown> {
  const { target, clusterSecret, service, schema } = options;
  const mac = createHmac("sha256", clusterSecret).update(`lanekeeper service ${service}`);
  const headers = {
    authorization: `Bearer lks1.${service}.${mac.digest("base64url")}`,
    "lanekeeper-tenant": "default",
    "lanekeeper-principal": "buf",
  };
  const args = [
    ...["curl", "--protocol", "grpc", "--http2-prior-knowledge"],
    ...(schema === "files" ? ["--schema", "proto"] : ["--reflect"]),
    ...Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]),
    ...["-d", JSON.stringify(request)],
    `http://${target}/lanekeeper.identity.v1.SessionIdentityService/${method}`,
  ];
  try {
    return JSON.parse(await buf(args));
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    if (stderr?.includes('"code"')) throw new BufRefused(await refusal(stderr));
    throw error;
  }
}

/** The call was refused. */
export class BufRefused extends Error {
  override readonly name = "BufRefused";
  readonly refusal: BufRefusal;

  constructor(refusal: BufRefusal) {
    super(`${refusal.code}: ${refusal.message}`);
    this.refusal = refusal;
  }
}

async function refusal(text: string): Promise<BufRefusal> {
  const { code, message, details } = JSON.parse(text) as {
    code: string;
    message: string;
    details: { type: string; value: string }[];
  };
  const decoded = await Promise.all(
    details.map(async ({ type, value }) => [type, await decode(type, value)] as const),
  );
  return { code, message, details: Object.fromEntries(decoded) };
}

async function decode(type: string, base64: string): Promise<unknown> {
  const args = ["convert", "proto", "--type", type, "--from", "-#format=binpb"];
  return JSON.parse(await buf(args, Buffer.from(base64, "base64")));
}

async function buf(args: readonly string[], input?: Buffer): Promise<string> {
  const running = promisify(execFile)(BUF, args, {
    cwd: ROOT,
    env: { ...process.env, ...NO_PROXY },
  });
  running.child.stdin?.end(input);
  return (await running).stdout;
}
