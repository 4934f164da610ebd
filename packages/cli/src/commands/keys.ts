import { randomUUID } from "node:crypto";
import { toJson } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  ApiKeySchema,
  CreateApiKeyResponseSchema,
  RevokeApiKeyResponseSchema,
  RotateApiKeyResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import type { PageRequest } from "../listing/read-pages.ts";
import { type ListOptions, showList } from "../listing/show-list.ts";
import { keyLine, keyLines, textLines } from "../operator/key-lines.ts";
import { openKeyManager } from "../operator/key-manager.ts";
import { type Output, showJson } from "../output.ts";

interface Common {
  readonly json?: true;
  readonly tenant?: string;
}

export interface CreateOptions extends Common {
  readonly scope: readonly string[];
  readonly agent: readonly string[];
  readonly prefix: readonly string[];
  readonly label?: string;
  readonly expiresIn?: number;
  readonly requestsPerMinute?: number;
  readonly burst?: number;
  readonly requestId?: string;
}

/** `lanekeeper keys create` */
export async function createKey(options: CreateOptions, output: Output): Promise<void> {
  using manager = await openKeyManager(options.tenant);
  const { expiresIn, requestsPerMinute, burst = 0 } = options;
  const isLimited = requestsPerMinute !== undefined || burst > 0;
  const answer = await manager.createApiKey({
    requestId: options.requestId ?? randomUUID(),
    label: options.label ?? "",
    scopes: [...options.scope],
    agentIds: [...options.agent],
    sessionKeyPrefixes: [...options.prefix],
    ...(isLimited ? { rateLimit: { requestsPerMinute: requestsPerMinute ?? 0, burst } } : {}),
    ...(expiresIn === undefined ? {} : { lifetime: durationFromMs(expiresIn) }),
  });
  if (options.json) return showJson(output, toJson(CreateApiKeyResponseSchema, answer));
  if (answer.apiKey !== undefined) for (const line of keyLines(answer.apiKey)) output.line(line);
  for (const line of textLines(answer.keyText)) output.line(line);
}

/** `lanekeeper keys list` */
export async function listKeys(
  options: ListOptions & { readonly tenant?: string; readonly all?: true },
  output: Output,
): Promise<void> {
  using manager = await openKeyManager(options.tenant);
  const { all: includeEnded = false } = options;
  const listing = {
    schema: ApiKeySchema,
    field: "apiKeys",
    line: keyLine,
    none: () => output.line("no keys"),
    ask: async (page: PageRequest) => {
      const answer = await manager.listApiKeys({ includeEnded, ...page });
      return { rows: answer.apiKeys, nextPageToken: answer.nextPageToken };
    },
  };
  await showList(listing, options, output);
}

/** `lanekeeper keys rotate <id>` */
export async function rotateKey(
  apiKeyId: string,
  options: Common & { readonly overlap?: number; readonly requestId?: string },
  output: Output,
): Promise<void> {
  using manager = await openKeyManager(options.tenant);
  const { overlap, requestId = randomUUID() } = options;
  const answer = await manager.rotateApiKey({
    apiKeyId,
    requestId,
    ...(overlap === undefined ? {} : { overlap: durationFromMs(overlap) }),
  });
  if (options.json) return showJson(output, toJson(RotateApiKeyResponseSchema, answer));
  if (answer.apiKey !== undefined) for (const line of keyLines(answer.apiKey)) output.line(line);
  for (const line of textLines(answer.keyText)) output.line(line);
}

/** `lanekeeper keys revoke <id>` */
export async function revokeKey(apiKeyId: string, options: Common, output: Output): Promise<void> {
  using manager = await openKeyManager(options.tenant);
  const answer = await manager.revokeApiKey({ apiKeyId });
  if (options.json) return showJson(output, toJson(RevokeApiKeyResponseSchema, answer));
  if (answer.apiKey !== undefined) output.line(keyLine(answer.apiKey));
}
