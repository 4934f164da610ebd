import { createHash } from "node:crypto";
import { clone, toBinary } from "@bufbuild/protobuf";
import { type Duration, durationMs } from "@bufbuild/protobuf/wkt";
import {
  type CreateApiKeyRequest,
  CreateApiKeyRequestSchema,
} from "@lanekeeper/protocol/lanekeeper/ingress/v1/api_key_service";
import { invalid } from "@lanekeeper/rpc";
import { parseAgentId } from "@lanekeeper/session-key";
import { SCOPES } from "../../credentials/credential.ts";
import type { NewApiKey } from "../../keys/api-key.ts";
import { parseRateLimit } from "../rate-limit.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Bounds travel with each call between services, as metadata: all of them stay below 8 KiB. */
const MAX_BOUNDS = 32;
const MAX_PREFIX_BYTES = 4_096;
const MAX_LABEL_CHARS = 200;
const MAX_REQUEST_ID_CHARS = 128;
const LIFETIME_MS = { least: MINUTE_MS, most: 3_653 * DAY_MS };
const OVERLAP_MS = { byDefault: DAY_MS, most: 30 * DAY_MS };

/** What a key is to be, checked. @throws INVALID_REQUEST naming the field */
export function parseNewKey(request: CreateApiKeyRequest): Omit<NewApiKey, "apiKeyId" | "keyHash"> {
  const agents = parseAgents(request.agentIds);
  return {
    requestId: parseRequestId(request.requestId),
    fingerprint: fingerprintOf(request),
    label: parseLabel(request.label),
    scopes: parseScopes(request.scopes),
    agents,
    keyPrefixes: parsePrefixes(request.sessionKeyPrefixes, agents),
    rateLimit: parseRateLimit("rate_limit", request.rateLimit),
    lifetimeMs: parseLifetime(request.lifetime),
  };
}

/** @throws INVALID_REQUEST */
export function parseRequestId(requestId: string): string {
  if (/^[!-~]+$/.test(requestId) && requestId.length <= MAX_REQUEST_ID_CHARS) return requestId;
  throw invalid("request_id", `must be 1 to ${MAX_REQUEST_ID_CHARS} visible ASCII characters`);
}

/** How long both texts are valid, in milliseconds. @throws INVALID_REQUEST */
export function parseOverlap(overlap: Duration | undefined): number {
  const ms = overlap === undefined ? OVERLAP_MS.byDefault : durationMs(overlap);
  if (ms >= 0 && ms <= OVERLAP_MS.most) return ms;
  throw invalid("overlap", "must be 0 to 30 days");
}

function fingerprintOf(request: CreateApiKeyRequest): Buffer {
  const content = clone(CreateApiKeyRequestSchema, request);
  content.requestId = "";
  return createHash("sha256").update(toBinary(CreateApiKeyRequestSchema, content)).digest();
}

function parseLabel(label: string): string {
  if (/^[^\p{Cc}\p{Cs}]*$/u.test(label) && label.length <= MAX_LABEL_CHARS) return label;
  throw invalid("label", `must have at most ${MAX_LABEL_CHARS} characters, none of control`);
}

function parseScopes(scopes: readonly string[]): string[] {
  if (scopes.length === 0) throw invalid("scopes", `names none of ${SCOPES.join(", ")}`);
  for (const [index, scope] of scopes.entries()) {
    if (SCOPES.some((known) => known === scope)) continue;
    throw invalid(`scopes[${index}]`, `is none of ${SCOPES.join(", ")}`);
  }
  return SCOPES.filter((scope) => scopes.includes(scope));
}

function parseAgents(agentIds: readonly string[]): string[] {
  if (agentIds.length > MAX_BOUNDS) throw invalid("agent_ids", `are more than ${MAX_BOUNDS}`);
  for (const [index, agentId] of agentIds.entries()) {
    if (parseAgentId(agentId) === undefined) throw invalid(`agent_ids[${index}]`, "is no agent id");
  }
  return [...new Set(agentIds)];
}

/** One without its agent, or in another spelling, would be of no key. */
function parsePrefixes(prefixes: readonly string[], agents: readonly string[]): string[] {
  const field = "session_key_prefixes";
  const bytes = prefixes.reduce((sum, prefix) => sum + Buffer.byteLength(prefix), 0);
  if (prefixes.length > MAX_BOUNDS) throw invalid(field, `are more than ${MAX_BOUNDS}`);
  if (bytes > MAX_PREFIX_BYTES) throw invalid(field, `have more than ${MAX_PREFIX_BYTES} bytes`);
  for (const [index, prefix] of prefixes.entries()) {
    const at = `${field}[${index}]`;
    const agentId = /^agent:([^:]*):/.exec(prefix)?.[1] ?? "";
    if (parseAgentId(agentId) === undefined) throw invalid(at, "does not begin with agent:<id>:");
    const isKeyText = /^[^\p{Cc}\p{Cf}\p{Cs}]*$/u.test(prefix);
    if (!isKeyText || prefix !== prefix.normalize("NFC")) {
      throw invalid(at, "has a character that no session key has");
    }
    if (agents.length > 0 && !agents.includes(agentId)) {
      throw invalid(at, `is of the agent ${agentId}, which is none of agent_ids`);
    }
  }
  return [...new Set(prefixes)];
}

function parseLifetime(lifetime: Duration | undefined): number | undefined {
  if (lifetime === undefined) return undefined;
  const ms = durationMs(lifetime);
  if (ms >= LIFETIME_MS.least && ms <= LIFETIME_MS.most) return ms;
  throw invalid("lifetime", "must be 1 minute to 10 years");
}
