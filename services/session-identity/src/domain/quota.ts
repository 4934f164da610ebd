import { LIMITS } from "../limits.ts";
import { type Refusal, refuse } from "./refusal.ts";

/** A tenant holds as many keys, or names that lead to them, as it may: they stay, but for keys that are minted. */
export function holdsAllItMay(what: "keys" | "names"): Refusal {
  const limit = String(LIMITS.maxKeysPerTenant);
  const refusal = refuse("QUOTA", `the tenant holds ${limit} ${what} already`, { limit });
  return { ...refusal, retryAfterMs: LIMITS.quotaRetryMs };
}
