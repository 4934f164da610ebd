import type { RuleSet } from "./names/rules.ts";

/** What one replica writes as. */
export interface Replica {
  /** Where it counts what tenants hold, so that replicas do not wait for each other's first contacts. */
  readonly usageShard: number;
  readonly rules: RuleSet;
}
