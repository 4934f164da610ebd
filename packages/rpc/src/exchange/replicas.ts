import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { grpcTarget } from "../client/target.ts";
import { hostPort } from "../serve/listen.ts";

/** The replicas behind a target: one address each, and the name that they share, if any. */
export interface Replicas {
  readonly addresses: readonly string[];
  readonly serverName: string | undefined;
}

const NAME_AND_PORT = /^(?:dns:(?:\/\/[^/]*\/)?)?([^/:[\]]+):(\d+)$/;

/** Looks a target's replicas up. What is no list and no name is one replica. @throws if a name has none */
export async function findReplicas(target: string): Promise<Replicas> {
  const parsed = grpcTarget(target);
  const list = /^ipv[46]:(.*)$/.exec(parsed)?.[1];
  if (list !== undefined) return { addresses: list.split(","), serverName: undefined };
  const [, host = "", port = ""] = NAME_AND_PORT.exec(parsed) ?? [];
  if (host === "" || isIP(host) !== 0) return { addresses: [parsed], serverName: undefined };
  const found = await lookup(host, { all: true });
  const addresses = found.map(({ address }) => hostPort(address, Number(port)));
  return { addresses: [...new Set(addresses)], serverName: host };
}
