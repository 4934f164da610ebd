import { createHash } from "node:crypto";
import type { Caller } from "@lanekeeper/rpc";
import type { RateLimit } from "../rate-limits/rate-limit.ts";

/** What a credential may be allowed to do. */
export const SCOPES = ["chat", "adapter", "operator", "admin"] as const;

export type Scope = (typeof SCOPES)[number];

/** A key as it is stored. */
export interface Credential extends Caller {
  /** Of the text that was shown. Keeps the comparison honest: it was found by this. */
  readonly keyHash: Buffer;
  /** Its own, else what its tenant says of each of its keys; undefined: none. */
  readonly rateLimit: RateLimit | undefined;
  /** Of all keys of its tenant together; undefined: none. */
  readonly tenantRateLimit: RateLimit | undefined;
}

/** Whether somebody came in by a key. */
export function isCredential(caller: object): caller is Credential {
  return "keyHash" in caller && "principal" in caller;
}

/**
 * One round of SHA-256, without salt: a text has 256 bits of chance, so there is no list of likely
 * ones to try, which is what slow hashes and salts are for. A request is looked up by it.
 */
export function hashKey(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
