import { clone } from "@bufbuild/protobuf";
import { addressProblem, literalAddress } from "@lanekeeper/addresses";
import {
  type AgentConfig,
  AgentConfigSchema,
} from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";
import { permissionDenied } from "@lanekeeper/rpc";

/** An address that an agent's configuration has the runner call. */
interface Endpoint {
  readonly url: string;
  readonly bounds: { publicOnly: boolean };
}

/**
 * The agents as given, their addresses for public ones alone but for those that stand there without that bound.
 * @throws PERMISSION_DENIED an address that is not public by its very text
 */
export function publicButFor(
  standing: readonly AgentConfig[],
  given: readonly AgentConfig[],
): readonly AgentConfig[] {
  const free = standing.flatMap(endpointsOf).filter(({ bounds }) => !bounds.publicOnly);
  const known = new Set(free.map(({ url }) => url));
  const agents = given.map((agent) => clone(AgentConfigSchema, agent));
  for (const { url, bounds } of agents.flatMap(endpointsOf)) {
    if (known.has(url)) continue;
    refuseInside(url);
    bounds.publicOnly = true;
  }
  return agents;
}

/** What a name leads to is judged by each connection. */
function refuseInside(text: string): void {
  const literal = literalAddress(new URL(text));
  const problem = literal === undefined ? undefined : addressProblem(literal, []);
  if (problem === undefined) return;
  throw permissionDenied(
    "addresses that are not public are given by the runner's configuration: `lanekeeper config apply`",
    { url: text },
  );
}

function endpointsOf({ model, mcpServers }: AgentConfig): Endpoint[] {
  const { provider } = model ?? {};
  const models = provider?.case === "openaiCompatible" ? [provider.value] : [];
  const servers = mcpServers.flatMap(({ transport }) =>
    transport.case === "http" ? [transport.value] : [],
  );
  return [
    ...models.map((bounds) => ({ url: bounds.baseUrl, bounds })),
    ...servers.map((bounds) => ({ url: bounds.url, bounds })),
  ];
}
