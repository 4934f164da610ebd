import type { Env, ServiceName } from "@lanekeeper/service";
import type { Config } from "./schema.ts";

/** An environment variable that a configuration names. */
export interface NamedVariable {
  readonly name: string;
  /** Whose environment must have it. */
  readonly service: ServiceName;
  /** Such as "webhook helpdesk of tenant default". */
  readonly of: string;
}

/**
 * Variables that a configuration names and `env` has not. `npm start` gives the services its own
 * environment; elsewhere each has one of its own, which is not seen from here.
 */
export function unsetVariables(config: Config, env: Env): NamedVariable[] {
  return namedVariables(config).filter(({ name }) => !env[name]);
}

/** What people are told of one. */
export function unsetLine({ name, service, of }: NamedVariable): string {
  return `${name}, for ${of}, is not set here: ${service} needs it in its environment`;
}

function namedVariables({ tenants }: Config): NamedVariable[] {
  return Object.entries(tenants).flatMap(([tenant, { channels = {}, agents }]) => [
    ...Object.entries(channels).flatMap(([kind, accounts]) =>
      Object.entries(accounts ?? {}).flatMap(([id, entry]) =>
        ofAccount(entry, `${kind} ${id} of tenant ${tenant}`),
      ),
    ),
    ...Object.entries(agents).flatMap(([id, agent]) =>
      ofAgent(agent, `agent ${id} of tenant ${tenant}`),
    ),
  ]);
}

interface Account {
  readonly token_env?: string | undefined;
  readonly signing_secret_env?: string | undefined;
  readonly webhook_secret_env?: string | undefined;
  readonly secret_env?: string | undefined;
}

/** Replies go out by the token; events are known by the secret. */
function ofAccount(account: Account, of: string): NamedVariable[] {
  const { token_env, signing_secret_env, webhook_secret_env, secret_env } = account;
  return [
    ...named([token_env], "delivery", of),
    ...named([signing_secret_env, webhook_secret_env, secret_env], "ingress", of),
  ];
}

type Agent = Config["tenants"][string]["agents"][string];

function ofAgent({ model, mcp_servers = {} }: Agent, of: string): NamedVariable[] {
  const key = model === "scripted" ? [] : [model.api_key_env];
  return [
    ...named(key, "runner", of),
    ...Object.entries(mcp_servers).flatMap(([server, { env = [], header_env = {} }]) =>
      named([...env, ...Object.values(header_env)], "runner", `MCP server ${server} of ${of}`),
    ),
  ];
}

function named(
  names: readonly (string | undefined)[],
  service: ServiceName,
  of: string,
): NamedVariable[] {
  return names.flatMap((name) => (name === undefined ? [] : [{ name, service, of }]));
}
