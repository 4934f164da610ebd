import {
  createDeliveryClient,
  createIdentityClient,
  createRunnerClient,
  type ServiceClientOptions,
} from "@lanekeeper/client";
import { Code, hasReason, LanekeeperError, RpcError, serviceCredential } from "@lanekeeper/rpc";
import type { ServiceName, TlsPaths } from "@lanekeeper/service";
import { describeError } from "../describe-error.ts";
import { variablesOf } from "../service-variables.ts";
import { type Finding, note, ok, problem } from "./finding.ts";

/** Services that others find by a target. */
export type AskedService = Exclude<ServiceName, "ingress">;

export interface AskHow {
  readonly clusterSecret: string;
  readonly tls: TlsPaths | undefined;
  /** Whom TLS expects at the address; undefined: the address itself. */
  readonly serverName: string | undefined;
}

export interface ReplicaAnswer {
  readonly address: string;
  /** Nobody answered. */
  readonly isSilent: boolean;
  readonly finding: Finding;
}

/** A page of one row takes milliseconds; all replicas are asked at once, so this bounds the whole look. */
const ANSWERS_WITHIN_MS = 2_000;
const ONE_ROW = { pageSize: 1 };

/** What one replica says to a call that needs its database. Never rejects. */
export async function askReplica(
  service: AskedService,
  address: string,
  how: AskHow,
): Promise<ReplicaAnswer> {
  const said = (finding: Finding, isSilent = false) => ({
    address,
    isSilent,
    finding: { ...finding, address },
  });
  try {
    await readOne(service, address, how);
    return said(ok(service, `answers at ${address}`));
  } catch (error) {
    if (hasReason(error, "DRAINING")) return said(note(service, `${address} drains: it ends soon`));
    if (error instanceof LanekeeperError) return said(refused(service, address, error));
    const { target } = variablesOf(service);
    const text =
      `${service} at ${address} does not answer (${silence(error)}): see that it runs and can be ` +
      `reached, or take it out of ${target}.`;
    return said(problem(service, text), true);
  }
}

/** Without what each layer of gRPC says of the one below. */
function silence(error: unknown): string {
  if (error instanceof RpcError && error.code === Code.DEADLINE_EXCEEDED) {
    return `nothing within ${ANSWERS_WITHIN_MS / 1_000} s`;
  }
  const told = describeError(error);
  return /connect E[A-Z]+ [\d.:[\]a-f]+\d/.exec(told)?.[0] ?? told;
}

function refused(service: AskedService, address: string, error: LanekeeperError): Finding {
  if (hasReason(error, "UNAUTHENTICATED")) {
    return problem(
      service,
      `${service} at ${address} does not know the cluster secret: give LANEKEEPER_CLUSTER_SECRET the same value ` +
        "everywhere.",
    );
  }
  const why = describeError(error);
  return problem(service, `${service} at ${address} is not well (${why}): look into its log.`);
}

async function readOne(service: AskedService, target: string, how: AskHow): Promise<void> {
  const { clusterSecret, tls, serverName } = how;
  const credential = serviceCredential("cli", clusterSecret);
  const defaults = { tenant: "default", principal: "cli", timeoutMs: ANSWERS_WITHIN_MS };
  const options: ServiceClientOptions = {
    target,
    serverName,
    credential,
    tls,
    defaults,
    exchange: false,
    retry: { maxAttempts: 1 },
  };
  switch (service) {
    case "session-identity": {
      using client = createIdentityClient(options);
      return void (await client.listSessions(ONE_ROW));
    }
    case "runner": {
      using client = createRunnerClient(options);
      return void (await client.listLanes(ONE_ROW));
    }
    case "delivery": {
      using client = createDeliveryClient(options);
      return void (await client.listDeliveries(ONE_ROW));
    }
  }
}
