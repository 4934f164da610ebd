import { timingSafeEqual } from "node:crypto";
import { isUnavailable } from "@lanekeeper/postgres";
import {
  LanekeeperError,
  permissionDenied,
  storeUnavailable,
  unauthenticated,
} from "@lanekeeper/rpc";
import { type Clock, keepNewest } from "@lanekeeper/service";
import type { IngressLimits } from "../limits.ts";
import { type Credential, hashKey } from "./credential.ts";
import { isMistyped, MAX_KEY_CHARS } from "./key-text.ts";
import type { CredentialStore } from "./store.ts";

/** What checking needs. */
export interface CheckOptions {
  readonly store: Pick<CredentialStore, "find">;
  readonly clock: Clock;
  readonly limits: Pick<
    IngressLimits,
    "credentialFreshMs" | "credentialStaleMs" | "maxCachedCredentials"
  >;
}

interface Known {
  readonly credential: Credential;
  readonly sinceMs: number;
}

/**
 * Tells whom an `Authorization` header stands for. Known credentials are remembered for some seconds,
 * so that a revocation is in force after them on every replica, and for longer while the database
 * cannot be asked; unknown ones never. Whose a key is, or was, changes neither what is done nor what is
 * said: one look-up by the hash, one refusal.
 */
export class CredentialCheck {
  readonly #options: CheckOptions;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<Credential | undefined>>();

  constructor(options: CheckOptions) {
    this.#options = options;
  }

  /**
   * @throws UNAUTHENTICATED without a credential or with one that is not known, PERMISSION_DENIED for
   * one without any scope, STORE_UNAVAILABLE where that cannot be found out now.
   */
  async authenticate(authorization: string | undefined): Promise<Credential> {
    return this.#lookUp(hashKey(bearerToken(authorization)));
  }

  /** Whether a credential that was let in still would be. @throws as `authenticate` does */
  async recheck({ keyHash }: Credential): Promise<void> {
    await this.#lookUp(keyHash);
  }

  /** What is known of this key is found out again with its next use. */
  forget(apiKeyId: string): void {
    for (const [name, { credential }] of this.#known) {
      if (credential.principal === apiKeyId) this.#known.delete(name);
    }
  }

  async #lookUp(keyHash: Buffer): Promise<Credential> {
    const name = keyHash.toString("base64");
    const remembered = this.#remembered(name, this.#options.limits.credentialFreshMs);
    const credential = remembered ?? (await this.#ask(name, keyHash));
    if (credential === undefined || !timingSafeEqual(credential.keyHash, keyHash)) {
      throw unauthenticated("the API key is not known here, has expired or was revoked");
    }
    return withScope(credential);
  }

  /** Requests that come while the same key is being looked up wait for that look-up. */
  #ask(name: string, keyHash: Buffer): Promise<Credential | undefined> {
    const asking = this.#asking.get(name);
    if (asking !== undefined) return asking;
    const asked = this.#find(name, keyHash).finally(() => this.#asking.delete(name));
    this.#asking.set(name, asked);
    return asked;
  }

  async #find(name: string, keyHash: Buffer): Promise<Credential | undefined> {
    // Before asking: what is answered may have changed while it came.
    const sinceMs = this.#options.clock.monotonicMs();
    try {
      const found = await this.#options.store.find(keyHash);
      this.#remember(name, found, sinceMs);
      return found;
    } catch (error) {
      const stale = this.#remembered(name, this.#options.limits.credentialStaleMs);
      if (stale !== undefined) return stale;
      if (error instanceof LanekeeperError || !isUnavailable(error)) throw error;
      throw storeUnavailable("the API key cannot be checked now; ask again", error);
    }
  }

  #remembered(name: string, maxAgeMs: number): Credential | undefined {
    const known = this.#known.get(name);
    const isYoung =
      known !== undefined && this.#options.clock.monotonicMs() - known.sinceMs < maxAgeMs;
    return isYoung ? known.credential : undefined;
  }

  #remember(name: string, credential: Credential | undefined, sinceMs: number): void {
    const { maxCachedCredentials } = this.#options.limits;
    if (credential === undefined) this.#known.delete(name);
    else keepNewest(this.#known, name, { credential, sinceMs }, maxCachedCredentials);
  }
}

/**
 * Behind ingress a call without scopes is a service's own, which may do more than anybody outside. No
 * credential may look like one, at any door, whatever the door asks for.
 */
function withScope(credential: Credential): Credential {
  if (credential.scopes.length > 0) return credential;
  throw permissionDenied("the credential has no scope");
}

function bearerToken(authorization: string | undefined): string {
  if (authorization === undefined) {
    throw unauthenticated("no API key: send the header Authorization: Bearer <key>");
  }
  const token = /^bearer +(\S+)$/i.exec(authorization)?.[1];
  if (token === undefined || token.length > MAX_KEY_CHARS) {
    throw unauthenticated("the Authorization header is not of the form Bearer <key>");
  }
  if (!isMistyped(token)) return token;
  throw unauthenticated("the API key is mistyped or cut short: its checksum does not match");
}
