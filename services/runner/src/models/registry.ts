import type { AgentConfig } from "@lanekeeper/protocol/lanekeeper/runner/v1/agent";

import type { Model } from "./model.ts";
import { OpenAiModel } from "./openai-model.ts";
import { SCRIPTED_MODEL_NAME, ScriptedModel } from "./scripted-model.ts";

/** Longest silence of a model where the agent's configuration states none. */
export const DEFAULT_SILENCE_TIMEOUT_MS = 120_000;

/**
 * The model that answers for an agent.
 * @param env where the keys of endpoints are looked up, by the name that the configuration gives.
 */
export function modelFor(
  agent: AgentConfig,
  env: Readonly<Record<string, string | undefined>>,
): Model {
  const provider = agent.model?.provider;
  if (provider?.case !== "openaiCompatible") return new ScriptedModel();
  const { baseUrl, model, apiKeyEnv, publicOnly } = provider.value;
  return new OpenAiModel({
    baseUrl,
    model,
    publicOnly,
    apiKey: apiKeyEnv === "" ? undefined : env[apiKeyEnv],
    silenceTimeoutMs: silenceTimeoutMs(agent),
  });
}

/** The name of the model that answers for an agent, without making it. */
export function modelNameOf({ model }: AgentConfig): string {
  const provider = model?.provider;
  return provider?.case === "openaiCompatible" ? provider.value.model : SCRIPTED_MODEL_NAME;
}

function silenceTimeoutMs(agent: AgentConfig): number {
  const timeout = agent.modelSilenceTimeout;
  if (timeout === undefined) return DEFAULT_SILENCE_TIMEOUT_MS;
  return Number(timeout.seconds) * 1000 + timeout.nanos / 1e6;
}
