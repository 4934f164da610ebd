import {
  dialable,
  type ListenAddress,
  packageVersion,
  SERVICE_NAMES,
  type ServiceName,
  type Settings,
} from "@lanekeeper/service";
import type { ConstellationState } from "../constellation/folder/state-file.ts";
import { planPorts } from "../constellation/ports/ports.ts";
import { probe } from "../constellation/processes/wait-ready.ts";
import { describeError } from "../describe-error.ts";
import { type Finding, ok, problem } from "./finding.ts";

/** Each service's own word. */
export function lookAtServices({ services }: ConstellationState): Promise<Finding[]> {
  return Promise.all(
    Object.entries(services).map(async ([name, { admin, log, grpc }]) => ({
      ...(await lookAtService(name, admin, log)),
      address: grpc,
    })),
  );
}

/**
 * The services that were each started by itself, as in a container of its own: what has the ports of this
 * environment and says that it is that service.
 */
export async function singleServices({ services }: Settings): Promise<ServiceName[]> {
  const found = await Promise.all(
    SERVICE_NAMES.map(async (name) => {
      const about = await versionAt(urlOf(services[name].admin)).catch(() => undefined);
      return about?.service === name ? [name] : [];
    }),
  );
  return found.flat();
}

/** What single services say of themselves; that the ports of the others are free. */
export async function lookAtPorts(
  settings: Settings,
  singles: readonly ServiceName[],
): Promise<Finding[]> {
  const services = singles.map((name) =>
    lookAtService(name, urlOf(settings.services[name].admin), "what it has logged"),
  );
  return [
    ...(await Promise.all(services)),
    ...(await lookAtFree(withoutPortsOf(settings, singles))),
  ];
}

/** Free, as long as nothing of ours runs. */
async function lookAtFree(settings: Settings): Promise<Finding[]> {
  const wanted = listed(settings);
  if (wanted === "") return [];
  try {
    await planPorts(settings);
    return [ok("ports", `${wanted} are free`)];
  } catch (error) {
    return describeError(error)
      .split("\n")
      .map((sentence) => problem("ports", sentence));
  }
}

/** Any port will do for what runs already. */
function withoutPortsOf(settings: Settings, names: readonly ServiceName[]): Settings {
  const { http } = settings;
  const services = { ...settings.services };
  for (const name of names) {
    const { grpc, admin } = services[name];
    services[name] = { ...services[name], grpc: anyPort(grpc), admin: anyPort(admin) };
  }
  return { ...settings, services, http: names.includes("ingress") ? anyPort(http) : http };
}

function anyPort(address: ListenAddress): ListenAddress {
  return { ...address, port: 0 };
}

function urlOf({ host, port }: ListenAddress): string {
  const dialled = dialable(host);
  return `http://${dialled.includes(":") ? `[${dialled}]` : dialled}:${port}`;
}

async function lookAtService(name: string, admin: string, log: string): Promise<Finding> {
  const { hostname, port } = new URL(admin);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const found = await probe({ host, port: Number(port), variable: "" });
  if (!found.ready) {
    return problem(name, `${name} is not ready (${found.reasons.join(", ")}): look into ${log}.`);
  }
  const { version } = await versionAt(admin);
  if (version === OWN_VERSION) return ok(name, `ready at ${admin}`);
  return problem(
    name,
    `${name} is of version ${String(version)}, this program of ${OWN_VERSION}: stop what runs and start it again ` +
      "from one installation.",
  );
}

const OWN_VERSION = packageVersion(import.meta.url);

/** Who a service says that it is. */
async function versionAt(admin: string): Promise<{ service?: unknown; version?: unknown }> {
  const response = await fetch(new URL("/version", admin), { signal: AbortSignal.timeout(2_000) });
  return (await response.json()) as { service?: unknown; version?: unknown };
}

function listed({ http, services }: Settings): string {
  const addresses: ListenAddress[] = [
    http,
    ...SERVICE_NAMES.flatMap((name) => [services[name].grpc, services[name].admin]),
  ];
  return addresses
    .filter(({ port }) => port !== 0)
    .map(({ port }) => String(port))
    .join(", ");
}
