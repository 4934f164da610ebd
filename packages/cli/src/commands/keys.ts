import { randomUUID } from "node:crypto";
import { toJson } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  CreateApiKeyResponseSchema,
  ListApiKeysResponseSchema,
  RevokeApiKeyResponseSchema,
  RotateApiKeyResponseSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import { keyLine, keyLines, textLines } from "../operator/key-lines.ts";
import { openKeyManager } from "../operator/key-manager.ts";
import { jsonText, type Output } from "../output.ts";

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
  if (options.json) return output.line(jsonText(toJson(CreateApiKeyResponseSchema, answer)));
  if (answer.apiKey !== undefined) for (const line of keyLines(answer.apiKey)) output.line(line);
  for (const line of textLines(answer.keyText)) output.line(line);
}

/** `lanekeeper keys list` */
export async function listKeys(
  options: Common & { readonly all?: true; readonly limit: number },
  output: Output,
): Promise<void> {
  using manager = await openKeyManager(options.tenant);
  const { all: includeEnded = false, limit: pageSize } = options;
  const answer = await manager.listApiKeys({ includeEnded, pageSize });
  if (options.json) return output.line(jsonText(toJson(ListApiKeysResponseSchema, answer)));
  for (const key of answer.apiKeys) output.line(keyLine(key));
  if (answer.apiKeys.length === 0) output.line("no keys");
  if (answer.nextPageToken !== "") output.line("and more: raise --limit");
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
    ...{ apiKeyId, requestId },
    ...(overlap === undefined ? {} : { overlap: durationFromMs(overlap) }),
  });
  if (options.json) return output.line(jsonText(toJson(RotateApiKeyResponseSchema, answer)));
  if (answer.apiKey !== undefined) for (const line of keyLines(answer.apiKey)) output.line(line);
  for (const line of textLines(answer.keyText)) output.line(line);
}

/** `lanekeeper keys revoke <id>` */
export async function revokeKey(apiKeyId: string, options: Common, output: Output): Promise<void> {
  using manager = await openKeyManager(options.tenant);
  const answer = await manager.revokeApiKey({ apiKeyId });
  if (options.json) return output.line(jsonText(toJson(RevokeApiKeyResponseSchema, answer)));
  if (answer.apiKey !== undefined) output.line(keyLine(answer.apiKey));
}
