import type { McpServer } from "@lanekeeper/protocol/lanekeeper/runner/v1/mcp";
import { invalid } from "@lanekeeper/rpc";
import { LIMITS } from "../limits.ts";
import { parseText } from "./parse-field.ts";

const NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;

/** @throws INVALID_REQUEST naming the field. */
export function checkMcpServers(field: string, servers: readonly McpServer[]): void {
  if (servers.length > LIMITS.mcpServersPerAgent) {
    throw invalid(field, `has ${servers.length} servers of at most ${LIMITS.mcpServersPerAgent}`);
  }
  const seen = new Set<string>();
  for (const [index, server] of servers.entries()) {
    const at = `${field}[${index}]`;
    if (!NAME.test(server.name)) throw invalid(`${at}.name`, `does not match ${NAME.source}`);
    if (seen.has(server.name)) throw invalid(`${at}.name`, "stands there twice");
    seen.add(server.name);
    checkTransport(at, server.transport);
    if (server.tools.length > LIMITS.toolsPerAgent) {
      throw invalid(`${at}.tools`, `has more than ${LIMITS.toolsPerAgent}`);
    }
  }
}

function checkTransport(field: string, transport: McpServer["transport"]): void {
  if (transport.case === undefined) throw invalid(field, "stdio or http is required");
  if (transport.case === "stdio") {
    const { command, args, env, cwd } = transport.value;
    if (command === "") throw invalid(`${field}.stdio.command`, "is required");
    const texts = [command, ...args, cwd].join("\n");
    parseText(`${field}.stdio`, texts, LIMITS.mcpCommandBytes);
    for (const variable of env) checkVariable(`${field}.stdio.env`, variable);
    return;
  }
  const { url, headerEnv } = transport.value;
  const protocol = URL.canParse(url) ? new URL(url).protocol : "";
  if (!["http:", "https:"].includes(protocol)) {
    throw invalid(`${field}.http.url`, "is no http or https URL");
  }
  for (const [header, variable] of Object.entries(headerEnv)) {
    if (!HEADER_NAME.test(header)) throw invalid(`${field}.http.header_env`, "is no header's name");
    checkVariable(`${field}.http.header_env`, variable);
  }
}

function checkVariable(field: string, variable: string): void {
  if (!ENV_NAME.test(variable)) throw invalid(field, "is no name of an environment variable");
}
