import { normalizeRawKey, RULE_SET_VERSION } from "@lanekeeper/session-key";

/**
 * How a replica reads raw names that the ledger does not hold. Replicas of two releases may serve side by
 * side: the version stands beside every binding that was made, and whoever is older than the version
 * in force makes none.
 */
export interface RuleSet {
  readonly version: number;
  readonly readRaw: typeof normalizeRawKey;
}

export const RULES: RuleSet = { version: RULE_SET_VERSION, readRaw: normalizeRawKey };
