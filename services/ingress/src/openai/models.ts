import { invalid } from "@lanekeeper/rpc";
import type { TenantAgents } from "../agents/agent-directory.ts";
import type { IngressContext } from "../context.ts";
import { requireScope } from "../credentials/scopes.ts";
import { admit } from "../http/admit.ts";
import { type Exchange, sendJson } from "../http/exchange.ts";
import type { Route } from "../http/routes.ts";
import { agentOfModel, modelOfAgent, unknownModel } from "./agent.ts";

/** The tenant's agents as models: https://platform.openai.com/docs/api-reference/models */
export function modelRoutes(context: IngressContext): Route[] {
  return [
    { method: "GET", path: "/v1/models", handle: (exchange) => listModels(context, exchange) },
    { method: "GET", path: "/v1/models/*", handle: (exchange) => getModel(context, exchange) },
  ];
}

async function listModels(context: IngressContext, exchange: Exchange): Promise<void> {
  const agents = await agentsOf(context, exchange);
  const names = agents.agentIds.map(modelOfAgent);
  const all = agents.defaultAgentId === "" ? names : ["lanekeeper", ...names];
  const data = all.map((id) => modelJson(id, agents));
  sendJson(exchange.res, 200, { object: "list", data });
}

async function getModel(context: IngressContext, exchange: Exchange): Promise<void> {
  const agents = await agentsOf(context, exchange);
  const id = decodeId(exchange.rest);
  const agentId = agentOfModel(id) || agents.defaultAgentId;
  if (!agents.agentIds.includes(agentId)) throw unknownModel(id);
  sendJson(exchange.res, 200, modelJson(id, agents));
}

async function agentsOf(context: IngressContext, exchange: Exchange): Promise<TenantAgents> {
  const caller = await admit(context, exchange);
  requireScope(caller, "chat", "operator", "admin");
  return context.agents.list(caller, exchange.facts);
}

function modelJson(id: string, { applyTimeS }: TenantAgents): object {
  return { id, object: "model", created: applyTimeS, owned_by: "lanekeeper" };
}

/** Clients percent-encode the slash of a model's name, or leave it. */
function decodeId(rest: string): string {
  try {
    return decodeURIComponent(rest);
  } catch {
    throw invalid("model", "is not percent-encoded UTF-8");
  }
}
