import { isIP } from "node:net";

/** A port that a client can dial: 1 to 65535. `host` is a name, an IPv4 address or a bare IPv6 address. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/**
 * Where clients find the replicas of a service: one name that DNS resolves to all of them
 * (`dns:///runner.internal:7102`), one host, or the addresses themselves
 * (`10.0.0.1:7102,10.0.0.2:7102`). A longer list has addresses of one family and no names: gRPC's
 * resolvers take nothing else (https://github.com/grpc/grpc/blob/master/doc/naming.md).
 */
export type Target =
  | { readonly kind: "dns"; readonly host: string; readonly port: number }
  | { readonly kind: "list"; readonly addresses: readonly HostPort[] };

const DNS_SCHEME = "dns:///";
const HOST_PORT = /^(?:\[(?<v6>[0-9A-Fa-f:.]+)\]|(?<name>[A-Za-z0-9._-]+)):(?<port>\d{1,5})$/;

/** Gives undefined for what is no target. */
export function parseTarget(text: string): Target | undefined {
  if (text.startsWith(DNS_SCHEME)) {
    const found = parseHostPort(text.slice(DNS_SCHEME.length));
    return found && { kind: "dns", ...found };
  }
  const addresses: HostPort[] = [];
  for (const part of text.split(",")) {
    const address = parseHostPort(part.trim());
    if (address === undefined) return undefined;
    addresses.push(address);
  }
  return addresses.length === 1 || areOneFamily(addresses)
    ? { kind: "list", addresses }
    : undefined;
}

function areOneFamily(addresses: readonly HostPort[]): boolean {
  const families = new Set(addresses.map(({ host }) => isIP(host)));
  return families.size === 1 && !families.has(0);
}

/** The spelling that `parseTarget` reads. */
export function formatTarget(target: Target): string {
  if (target.kind === "dns") return `${DNS_SCHEME}${formatHostPort(target)}`;
  return target.addresses.map(formatHostPort).join(",");
}

export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function parseHostPort(text: string): HostPort | undefined {
  const groups = HOST_PORT.exec(text)?.groups;
  const host = groups?.["v6"] ?? groups?.["name"];
  const port = Number(groups?.["port"]);
  if (host === undefined || port < 1 || port > 65535) return undefined;
  return { host, port };
}
