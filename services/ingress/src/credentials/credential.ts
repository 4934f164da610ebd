import { createHash } from "node:crypto";
import type { Caller } from "@lanekeeper/rpc";

/** What a credential may be allowed to do. */
export const SCOPES = ["chat", "adapter", "operator", "admin"] as const;

export type Scope = (typeof SCOPES)[number];

/** A key as it is stored. */
export interface Credential extends Caller {
  /** Keeps the comparison honest: it was found by this. */
  readonly keyHash: Buffer;
}

/** A key has at least 128 bits of chance, so one round of SHA-256 cannot be gone back on. */
export function hashKey(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
