import {
  createDeliveryClient,
  createIdentityClient,
  createIngressClient,
  createRunnerClient,
  type DeliveryClient,
  type IdentityClient,
  type IngressClient,
  type RunnerClient,
} from "@lanekeeper/client";
import { serviceCredential } from "@lanekeeper/rpc";
import { formatTarget, readSettings, type TlsPaths, tlsPaths } from "@lanekeeper/service";
import { CliError } from "../cli-error.ts";
import { dataDirAt } from "../constellation/folder/data-dir.ts";
import { readOptional } from "../constellation/folder/small-file.ts";
import { readState } from "../constellation/folder/state-file.ts";

/** Where the services are, and the secret by which they know their own. */
export interface PeerTargets {
  /** gRPC targets. */
  readonly identity: string;
  readonly runner: string;
  readonly ingress: string;
  readonly delivery: string;
  readonly clusterSecret: string;
  /** The program's own certificate, for all but ingress, which is the edge; undefined: plain. */
  readonly tls: TlsPaths | undefined;
  /** Ends what is asked: a program that is to end waits for no answer. */
  readonly stop?: AbortSignal;
}

/** The program as a peer of the services: for what no outside credential may do. */
export interface Peer extends Disposable {
  readonly identity: IdentityClient;
  readonly runner: RunnerClient;
  readonly ingress: IngressClient;
  readonly delivery: DeliveryClient;
}

/** A service that has just come up answers at once; one that was restarted meanwhile, within this. */
const TIMEOUT_MS = 30_000;

export function openPeer(targets: PeerTargets): Peer {
  const { identity, runner, ingress, delivery, clusterSecret, tls, stop } = targets;
  const credential = serviceCredential("cli", clusterSecret);
  const defaults = { timeoutMs: TIMEOUT_MS, principal: "cli" };
  const settings = { credential, tls, defaults, waitForReady: true };
  const clients = {
    identity: createIdentityClient({ ...settings, target: identity }),
    runner: createRunnerClient({ ...settings, target: runner }),
    ingress: createIngressClient({ ...settings, tls: undefined, target: ingress }),
    delivery: createDeliveryClient({ ...settings, target: delivery }),
  };
  const close = () => {
    stop?.removeEventListener("abort", close);
    for (const client of Object.values(clients)) client.$close();
  };
  if (stop?.aborted === true) close();
  else stop?.addEventListener("abort", close);
  return { ...clients, [Symbol.dispose]: close };
}

/**
 * The targets of this environment: what runs on the data dir, else LANEKEEPER_…_TARGET, else the
 * local ports.
 */
export async function peerTargets(): Promise<PeerTargets> {
  const settings = readSettings();
  const dir = dataDirAt(settings.dataDir);
  const services = (await readState(dir))?.services;
  const secret = settings.clusterSecret?.reveal() ?? (await readOptional(dir.clusterSecretFile));
  if (!secret) {
    throw new CliError(
      `There is no cluster secret in ${dir.clusterSecretFile}: run this where "npm start" ran, set ` +
        "LANEKEEPER_DATA_DIR to its data dir, or set LANEKEEPER_CLUSTER_SECRET.",
    );
  }
  return {
    identity:
      services?.["session-identity"]?.grpc ??
      formatTarget(settings.services["session-identity"].target),
    runner: services?.["runner"]?.grpc ?? formatTarget(settings.services.runner.target),
    ingress: services?.["ingress"]?.grpc ?? formatTarget(settings.services.ingress.target),
    delivery: services?.["delivery"]?.grpc ?? formatTarget(settings.services.delivery.target),
    clusterSecret: secret,
    tls: await tlsPaths(settings, "cli"),
  };
}
