import type { TracedWork } from "@lanekeeper/rpc";
import type { RateLimit } from "../rate-limits/rate-limit.ts";

/** A key as it is told of: everything but its text. */
export interface ApiKey {
  readonly apiKeyId: string;
  /** The order of listing. */
  readonly keyNumber: bigint;
  readonly label: string;
  readonly scopes: readonly string[];
  readonly agents: readonly string[];
  readonly keyPrefixes: readonly string[];
  readonly rateLimit: RateLimit | undefined;
  readonly createPrincipal: string;
  readonly createTime: Date;
  readonly expireTime: Date | undefined;
  readonly rotateTime: Date | undefined;
  /** Until when the text before is valid; undefined where none is. */
  readonly previousExpireTime: Date | undefined;
  readonly revokeTime: Date | undefined;
  readonly lastUseTime: Date | undefined;
}

/** Who manages keys: of one tenant, and bound or not. */
export interface KeyManager {
  readonly tenant: string;
  readonly principal: string;
  readonly agents: readonly string[];
  readonly keyPrefixes: readonly string[];
}

/** A key that is to be made. */
export interface NewApiKey
  extends Pick<ApiKey, "apiKeyId" | "label" | "scopes" | "agents" | "keyPrefixes" | "rateLimit"> {
  readonly keyHash: Buffer;
  readonly lifetimeMs: number | undefined;
  readonly requestId: string;
  /** Of what the call says besides its request id. */
  readonly fingerprint: Buffer;
}

/** What became of a call that makes a key. */
export type Created =
  | { readonly kind: "made" | "repeat"; readonly apiKey: ApiKey }
  | { readonly kind: "mismatch" }
  | { readonly kind: "quota"; readonly limit: number };

/** What became of a call that gives a key another text. */
export type Rotated =
  | { readonly kind: "rotated" | "repeat"; readonly apiKey: ApiKey }
  | { readonly kind: "ended" }
  | { readonly kind: "none" };

/** Told of each change of a key, when it is stored: so that it is in force here, and in the log. */
export type OnKeyChanged = (
  what: "made" | "rotated" | "revoked",
  apiKeyId: string,
  manager: KeyManager,
  within: TracedWork,
) => void;

/** Where keys are managed. Keys that the manager's own bounds do not cover are as good as none. */
export interface ApiKeyStore {
  create(manager: KeyManager, key: NewApiKey): Promise<Created>;
  /** In the order of making, after a number. */
  list(manager: KeyManager, page: KeyPage): Promise<ApiKey[]>;
  rotate(manager: KeyManager, rotation: KeyRotation): Promise<Rotated>;
  /** Undefined: there is none. */
  revoke(manager: KeyManager, apiKeyId: string): Promise<ApiKey | undefined>;
}

export interface KeyPage {
  readonly includeEnded: boolean;
  readonly afterNumber: bigint;
  readonly limit: number;
}

export interface KeyRotation {
  readonly apiKeyId: string;
  readonly keyHash: Buffer;
  readonly overlapMs: number;
  readonly requestId: string;
}
