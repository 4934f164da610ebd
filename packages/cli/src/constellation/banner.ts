import { dialable, formatHostPort, type ModelSettings } from "@lanekeeper/service";
import type { Config } from "../config/schema.ts";
import type { PortPlan } from "./ports/ports.ts";
import type { Credentials } from "./folder/secrets.ts";

export interface BannerInput {
  readonly ports: PortPlan;
  readonly credentials: Credentials;
  /** Undefined: what was applied before stays. */
  readonly config: Config | undefined;
  /** Why the default agent has the model that it has; undefined where LANEKEEPER_CONFIG says it. */
  readonly model: ModelSettings | undefined;
  readonly logs: string;
}

/** What a person needs to know once everything runs, ending with a command to paste. */
export function banner(input: BannerInput): string[] {
  const { ports, credentials, logs } = input;
  const url = baseUrl(ports);
  const { services } = ports;
  const admin = Object.entries(services).map(([name, { admin: at }]) => `${name} ${at.port}`);
  return [
    "lanekeeper ready",
    `  OpenAI-compatible  ${url}/v1`,
    `  gRPC               ${hostPort(services.ingress.grpc)}`,
    `  health, metrics    ${admin.join(", ")} (/readyz, /metrics)`,
    ...modelLines(input).map((line) => `  model              ${line}`),
    `  key                ${credentials.apiKeyFile ?? "as LANEKEEPER_API_KEY has it"}`,
    `  logs               ${logs}`,
    "",
    "Try it:",
    curl(url, credentials),
    "",
  ];
}

/** The same for a program; it holds no secret. */
export function readyDocument(input: BannerInput) {
  const { ports, credentials, logs } = input;
  const url = baseUrl(ports);
  const admin = Object.entries(ports.services).map(([name, at]) => [
    name,
    `http://${hostPort(at.admin)}`,
  ]);
  return {
    url,
    openaiBaseUrl: `${url}/v1`,
    grpc: hostPort(ports.services.ingress.grpc),
    admin: Object.fromEntries(admin) as Record<string, string>,
    model: modelLines(input),
    // Null: LANEKEEPER_API_KEY has it.
    apiKeyFile: credentials.apiKeyFile ?? null,
    logs,
    curl: curl(url, credentials),
  };
}

/** Where people and SDKs go. */
export function baseUrl({ http }: Pick<PortPlan, "http">): string {
  return `http://${hostPort(http)}`;
}

function hostPort({ host, port }: { host: string; port: number }): string {
  return formatHostPort({ host: dialable(host), port });
}

function modelLines({ config, model }: BannerInput): string[] {
  if (config === undefined) return ["as the configuration that was applied before says"];
  if (model?.kind === "scripted") {
    return [
      `scripted: built in, no language model; it tells what it was shown (${model.because})`,
      "for a real one set LANEKEEPER_MODEL_BASE_URL, LANEKEEPER_MODEL and LANEKEEPER_MODEL_API_KEY",
    ];
  }
  if (model !== undefined) return [`${model.model} at ${model.baseUrl} (from ${model.from})`];
  return Object.entries(config.tenants).flatMap(([tenant, { agents }]) =>
    Object.entries(agents).map(([id, agent]) => {
      const used =
        agent.model === "scripted" ? "scripted" : `${agent.model.model} at ${agent.model.base_url}`;
      return `${tenant}/${id}: ${used}`;
    }),
  );
}

/** One line, double-quoted throughout, that works in any POSIX shell wherever the folder lies. */
export function curl(url: string, { apiKeyFile }: Pick<Credentials, "apiKeyFile">): string {
  const key = apiKeyFile === undefined ? "$LANEKEEPER_API_KEY" : `$(cat ${quoted(apiKeyFile)})`;
  const body = { model: "lanekeeper", messages: [{ role: "user", content: "Hello" }] };
  return [
    `curl "${url}/v1/chat/completions"`,
    `-H "Authorization: Bearer ${key}"`,
    '-H "Content-Type: application/json"',
    '-H "x-session-key: first-steps"',
    `-d ${quoted(JSON.stringify(body))}`,
  ].join(" ");
}

/** What means something between double quotes: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/V3_chap02.html */
function quoted(text: string): string {
  return `"${text.replace(/[\\"$`]/g, "\\$&")}"`;
}
