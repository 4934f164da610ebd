import { EnvError } from "./env.ts";
import type { Secret } from "./secret.ts";

/** The default agent's model. */
export type ModelSettings =
  /** The built-in scripted model; `because` is a clause for people. */
  | { readonly kind: "scripted"; readonly because: string }
  /** An OpenAI-compatible endpoint; `from` is the variable that named it. */
  | {
      readonly kind: "endpoint";
      readonly baseUrl: string;
      readonly apiKey: Secret | undefined;
      readonly model: string;
      readonly from: "LANEKEEPER_MODEL_BASE_URL" | "OPENAI_BASE_URL";
    };

export interface ModelVariables {
  readonly host: string;
  readonly port: number;
  readonly modelBaseUrl: string | undefined;
  readonly modelApiKey: Secret | undefined;
  readonly model: string | undefined;
  readonly openaiBaseUrl: string | undefined;
  readonly openaiApiKey: Secret | undefined;
  readonly openaiModel: string | undefined;
}

/**
 * An address and its key always come from the same group of variables: a key goes only to the host
 * that it was given for. A key without an address keeps the scripted model, so that a key that lies
 * in somebody's shell neither costs money nor sends conversations out. So does our own address,
 * which people put into OPENAI_BASE_URL to make their clients call Lanekeeper: it would call itself.
 * @throws EnvError when LANEKEEPER_MODEL_BASE_URL has no LANEKEEPER_MODEL beside it
 */
export function modelSettings(read: ModelVariables): ModelSettings {
  if (read.modelBaseUrl !== undefined) return fromOwnVariables(read, read.modelBaseUrl);
  if (read.modelApiKey !== undefined) return scripted("LANEKEEPER_MODEL_BASE_URL is not set");
  return fromOpenAiVariables(read);
}

function fromOwnVariables(read: ModelVariables, baseUrl: string): ModelSettings {
  if (isOwnAddress(baseUrl, read)) return scripted("LANEKEEPER_MODEL_BASE_URL is our own address");
  if (read.model === undefined) throw new EnvError([MODEL_MISSING]);
  const { modelApiKey: apiKey, model } = read;
  return { kind: "endpoint", baseUrl, apiKey, model, from: "LANEKEEPER_MODEL_BASE_URL" };
}

/** Other programs own these variables, so nothing in them is an error here. */
function fromOpenAiVariables(read: ModelVariables): ModelSettings {
  const baseUrl = read.openaiBaseUrl;
  const model = read.model ?? read.openaiModel;
  if (baseUrl === undefined) return scripted("no model endpoint is configured");
  if (!isHttpUrl(baseUrl)) return scripted("OPENAI_BASE_URL is not an http URL");
  if (isOwnAddress(baseUrl, read)) return scripted("OPENAI_BASE_URL is our own address");
  if (model === undefined) return scripted("OPENAI_BASE_URL is set, but not OPENAI_MODEL");
  return { kind: "endpoint", baseUrl, apiKey: read.openaiApiKey, model, from: "OPENAI_BASE_URL" };
}

const MODEL_MISSING = {
  variable: "LANEKEEPER_MODEL",
  sentence:
    "LANEKEEPER_MODEL is not set, but LANEKEEPER_MODEL_BASE_URL is: expected the name of a model there.",
};

function scripted(because: string): ModelSettings {
  return { kind: "scripted", because };
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && ["http:", "https:"].includes(new URL(text).protocol);
}

/** The same port on any name of this machine; a gateway elsewhere in front of us cannot be recognised. */
function isOwnAddress(text: string, { host, port }: ModelVariables): boolean {
  const { hostname, port: given, protocol } = new URL(text);
  const theirs = given === "" ? (protocol === "https:" ? 443 : 80) : Number(given);
  const bare = hostname.replace(/^\[(.+)\]$/, "$1").toLowerCase();
  const isLocal =
    bare === host.toLowerCase() ||
    bare === "localhost" ||
    bare.endsWith(".localhost") ||
    bare.startsWith("127.") ||
    ["::1", "::", "0.0.0.0"].includes(bare);
  return theirs === port && isLocal;
}
