import type { ServerResponse } from "node:http";
import { type Caller, later } from "@lanekeeper/rpc";
import type { Clock, Log } from "@lanekeeper/service";
import type { IngressLimits } from "../limits.ts";
import type { RateLimit } from "../rate-limits/rate-limit.ts";
import { FairShare } from "../fair-share.ts";
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

/** What bounds a channel's account. */
export interface AccountLimits {
  readonly ofAccount: RateLimit | undefined;
  readonly ofTenant: RateLimit | undefined;
  /** For how long a post can wait for its room. */
  readonly withinMs: number;
}

/** Where every request from outside comes through, whichever its door: known, within its limits, noted. */
export class Entrance implements AsyncDisposable {
  readonly #check: CredentialCheck;
  readonly #rateLimits: RateLimits;
  readonly #lastUses: LastUses;
  /** Requests that are being answered. */
  readonly #held: FairShare;

  constructor(options: EntranceOptions) {
    this.#held = new FairShare(options.limits.maxRequestsInFlight);
    this.#check = new CredentialCheck(options);
    this.#rateLimits = new RateLimits(options);
    this.#lastUses = new LastUses(options);
  }

  /** Whose credential it is; counts as no request. @throws UNAUTHENTICATED, PERMISSION_DENIED, STORE_UNAVAILABLE */
  identify(authorization: string | undefined): Promise<Credential> {
    return this.#check.authenticate(authorization);
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
    this.#rateLimits.take({ of: "key", ...credential }, tell);
    return credential;
  }

  /**
   * Holds a request's place until its answer is over. @throws RATE_LIMITED where its tenant has as many as it may
   * while others need the room
   */
  hold({ tenant }: Pick<Caller, "tenant">, answer: ServerResponse): void {
    if (answer.closed) return;
    if (!this.#held.take(tenant)) {
      // Kept, it would be one that nobody else can have.
      if (!answer.headersSent) answer.setHeader("connection", "close");
      throw later("RATE_LIMITED", "too many of the tenant's requests are in progress here", 1_000);
    }
    answer.once("close", () => this.#held.release(tenant));
  }

  /**
   * Counts a post of a channel's account, which shows no key, against its own limit and its tenant's. Gives
   * for how many ms it has to wait for its room. @throws RATE_LIMITED where it cannot wait for so long
   */
  count(
    { tenant, principal }: Pick<Caller, "tenant" | "principal">,
    { ofAccount: rateLimit, ofTenant: tenantRateLimit, withinMs }: AccountLimits,
    tell: TellHeaders,
  ): number {
    const limited = { of: "account", tenant, principal, rateLimit, tenantRateLimit } as const;
    return this.#rateLimits.take(limited, tell, withinMs);
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
