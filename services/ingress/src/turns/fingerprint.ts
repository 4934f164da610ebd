import { createHash } from "node:crypto";

/** What makes two requests under one idempotency key the same request. */
export interface FingerprintInput {
  /** Such as "POST /v1/chat/completions". */
  readonly route: string;
  readonly rawKey: string | undefined;
  /** As named by model or header; empty: none. */
  readonly agentId: string;
  readonly body: Uint8Array;
}

/** SHA-256 over the parts, each behind its length, so that none can run into the next. */
export function fingerprint({ route, rawKey, agentId, body }: FingerprintInput): Uint8Array {
  const hash = createHash("sha256");
  for (const part of [route, rawKey === undefined ? "" : `=${rawKey}`, agentId]) {
    hash.update(`${Buffer.byteLength(part)}:`).update(part);
  }
  return hash.update(body).digest();
}
