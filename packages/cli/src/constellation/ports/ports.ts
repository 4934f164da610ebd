import {
  explainBusyPort,
  type ListenAddress,
  SERVICE_NAMES,
  type ServiceName,
  type Settings,
} from "@lanekeeper/service";
import { CliError } from "../../cli-error.ts";
import { freePort, tryListen } from "./free-port.ts";

/** Where everything listens; no port is 0 any more. */
export interface PortPlan {
  readonly http: ListenAddress;
  readonly services: Readonly<Record<ServiceName, { grpc: ListenAddress; admin: ListenAddress }>>;
}

/**
 * Looks at all ports before anything is started, and puts a free one where 0 was asked for: what is
 * restarted later must come back at the same port.
 * @throws CliError with a sentence for each port that is taken or asked for twice
 */
export async function planPorts(settings: Settings): Promise<PortPlan> {
  const wanted = [settings.http, ...SERVICE_NAMES.flatMap((name) => portsOf(settings, name))];
  const problems = [...askedTwice(wanted), ...(await taken(wanted))];
  if (problems.length > 0) throw new CliError(problems.join("\n"));
  const settle = async (address: ListenAddress) => ({
    ...address,
    port: address.port === 0 ? await freePort(address.host) : address.port,
  });
  const service = async (name: ServiceName) => {
    const [grpc, admin] = portsOf(settings, name);
    return { grpc: await settle(grpc), admin: await settle(admin) };
  };
  return {
    http: await settle(settings.http),
    services: {
      "session-identity": await service("session-identity"),
      runner: await service("runner"),
      delivery: await service("delivery"),
      ingress: await service("ingress"),
    },
  };
}

function portsOf(settings: Settings, name: ServiceName): [ListenAddress, ListenAddress] {
  const { grpc, admin } = settings.services[name];
  return [grpc, admin];
}

function askedTwice(wanted: readonly ListenAddress[]): string[] {
  return wanted.flatMap(({ port, variable }, index) => {
    const earlier = wanted.slice(0, index).find((other) => port !== 0 && other.port === port);
    if (earlier === undefined) return [];
    return [
      `${variable} and ${earlier.variable} are both ${port}: set one of them to another port.`,
    ];
  });
}

async function taken(wanted: readonly ListenAddress[]): Promise<string[]> {
  const found = await Promise.all(wanted.map((address) => problemWith(address)));
  return found.flatMap((problem) => problem ?? []);
}

async function problemWith({ host, port, variable }: ListenAddress): Promise<string | undefined> {
  if (port === 0) return undefined;
  const code = await tryListen(host, port);
  if (typeof code === "number") return undefined;
  if (code === "EADDRINUSE") return explainBusyPort(port, variable);
  if (code === "EACCES")
    return `Port ${port} may not be opened by this user: set ${variable} to one above 1023.`;
  return `Nothing can listen on ${host}:${port} (${code}): set LANEKEEPER_HOST to an address of this machine.`;
}
