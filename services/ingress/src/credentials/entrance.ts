import type { Caller } from "@lanekeeper/rpc";
import type { Clock, Log } from "@lanekeeper/service";
import type { IngressLimits } from "../limits.ts";
import type { RateLimit } from "../rate-limits/rate-limit.ts";
import { RateLimits, type TellHeaders } from "../rate-limits/rate-limits.ts";
import { CredentialCheck } from "./check.ts";
import type { Credential } from "./credential.ts";
import { LastUses } from "./last-use.ts";
import type { CredentialStore } from "./store.ts";

/** What the entrance needs. */
export interface EntranceOptions {
  readonly store: Pick<CredentialStore, "find" | "markUsed">;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: IngressLimits;
}

/** Where every request from outside comes through, whichever its door: known, within its limits, noted. */
export class Entrance implements AsyncDisposable {
  readonly #check: CredentialCheck;
  readonly #rateLimits: RateLimits;
  readonly #lastUses: LastUses;

  constructor(options: EntranceOptions) {
    this.#check = new CredentialCheck(options);
    this.#rateLimits = new RateLimits(options);
    this.#lastUses = new LastUses(options);
  }

  /**
   * Lets one request in. `onKnown` is told whose it is, and `tell` the headers of its answer, before it is
   * refused for its rate.
   * @throws UNAUTHENTICATED, PERMISSION_DENIED, RATE_LIMITED, STORE_UNAVAILABLE
   */
  async authenticate(
    authorization: string | undefined,
    tell: TellHeaders = () => undefined,
    onKnown: (credential: Credential) => void = () => undefined,
  ): Promise<Credential> {
    const credential = await this.#check.authenticate(authorization);
    onKnown(credential);
    this.#lastUses.note(credential.principal);
    this.#rateLimits.take(credential, tell);
    return credential;
  }

  /**
   * Counts a request of somebody who shows no key, such as a channel's account, against his tenant's
   * limit. @throws RATE_LIMITED
   */
  count(
    { tenant, principal }: Pick<Caller, "tenant" | "principal">,
    tenantRateLimit: RateLimit | undefined,
    tell: TellHeaders,
  ): void {
    this.#rateLimits.take({ tenant, principal, rateLimit: undefined, tenantRateLimit }, tell);
  }

  /** Whether a credential that was let in still would be; counts as no request. @throws as above */
  recheck(credential: Credential): Promise<void> {
    return this.#check.recheck(credential);
  }

  /** A key has changed here: this replica finds out with its next use. */
  forget(apiKeyId: string): void {
    this.#check.forget(apiKeyId);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lastUses.close();
  }
}
