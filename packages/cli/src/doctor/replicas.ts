import { isIP } from "node:net";
import { setTimeout } from "node:timers/promises";
import { findReplicas, type Replicas } from "@lanekeeper/rpc";
import type { Env, TlsPaths } from "@lanekeeper/service";
import { CliError } from "../cli-error.ts";
import type { ConstellationState } from "../constellation/folder/state-file.ts";
import { describeError } from "../describe-error.ts";
import { variablesOf } from "../service-variables.ts";
import { type AskedService, askReplica, type ReplicaAnswer } from "./ask-replica.ts";
import { type Finding, note, problem } from "./finding.ts";

export interface ReplicasInput {
  readonly env: Env;
  /** What runs on the data dir. */
  readonly state: ConstellationState | undefined;
  readonly clusterSecret: string | undefined;
  /** The program's own certificate. @throws EnvError */
  readonly tls: () => Promise<TlsPaths | undefined>;
}

const ASKED: readonly AskedService[] = ["session-identity", "runner", "delivery"];
/** A resolver that works answers within milliseconds; the system's own bound is many seconds. */
const FOUND_WITHIN_MS = 3_000;

/**
 * Every replica that the targets lead to, a name's at each of its addresses, apart from the services of
 * this data dir, whose admin ports tell more. All are asked at once, each for a page of its database
 * under the cluster secret, as another service asks. Where no target is set there is nobody to ask.
 */
export async function lookAtReplicas(input: ReplicasInput): Promise<Finding[]> {
  return (await Promise.all(ASKED.map((service) => lookAtTarget(service, input)))).flat();
}

async function lookAtTarget(service: AskedService, input: ReplicasInput): Promise<Finding[]> {
  const own = input.state?.services[service];
  const { target: variable } = variablesOf(service);
  const target = own?.target ?? input.env[variable]?.trim();
  if (!target || target === own?.grpc) return [];
  try {
    return await askAll(service, await replicasOf(target), own?.grpc, input);
  } catch (error) {
    return [problem(service, `${variable} is ${target}: ${describeError(error)}.`)];
  }
}

async function askAll(
  service: AskedService,
  { addresses, serverName }: Replicas,
  own: string | undefined,
  { clusterSecret, tls }: ReplicasInput,
): Promise<Finding[]> {
  const others = addresses.filter((address) => address !== own);
  if (others.length === 0) return [];
  if (clusterSecret === undefined) {
    const why = "LANEKEEPER_CLUSTER_SECRET is not set here";
    return [note(service, `${others.join(", ")} cannot be asked: ${why}`)];
  }
  const how = { clusterSecret, tls: await tls(), serverName };
  const answers = await Promise.all(others.map((address) => askReplica(service, address, how)));
  if (serverName === undefined) return answers.map(({ finding }) => finding);
  const heard = answers.filter(({ isSilent }) => !isSilent).map(({ address }) => address);
  return exceptOtherFamily(answers, addresses.length > others.length ? [own, ...heard] : heard);
}

/**
 * A name often leads to one replica by IPv4 and by IPv6, and it listens at one of them. Clients find it
 * there, so that nobody is at any address of the other family is no fault.
 */
function exceptOtherFamily(
  answers: readonly ReplicaAnswer[],
  heard: readonly (string | undefined)[],
): Finding[] {
  const families = new Set(heard.map(familyOf));
  return answers.map(({ address, isSilent, finding }) =>
    isSilent && families.size > 0 && !families.has(familyOf(address))
      ? { ...finding, verdict: "note" }
      : finding,
  );
}

/** 4 or 6, of "10.0.0.1:7102" or "[::1]:7102". */
function familyOf(address = ""): number {
  return isIP(address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1"));
}

/** A look-up cannot be called off: what it finds later is not waited for. */
async function replicasOf(target: string): Promise<Replicas> {
  const waiting = new AbortController();
  const { signal } = waiting;
  const late = setTimeout(FOUND_WITHIN_MS, undefined, { signal }).then(() => {
    throw new Error("the name is not resolved in time");
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([findReplicas(target), late]);
  } catch (cause) {
    throw new CliError(`no replica is found there: ${errorText(cause)}`, { cause });
  } finally {
    waiting.abort();
  }
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
