import { isKeyWithin } from "@lanekeeper/session-key";
import type { StandingKey } from "../domain/key-state.ts";
import { LIMITS } from "../limits.ts";
import type { Query } from "../store/db.ts";
import { type Change, changesBetween } from "../store/feed/read-changes.ts";
import type { Place } from "./place.ts";
import type { Snapshot } from "./snapshot.ts";
import { cutOff } from "./token.ts";

export interface WatchQuestion {
  /** Undefined: all tenants. */
  readonly tenant: string | undefined;
  /** Every key begins so. */
  readonly prefix: string;
  /** Empty: any agent. */
  readonly agents: readonly string[];
  /** What the credential is confined to; empty: nothing more. */
  readonly keyPrefixes: readonly string[];
  /** Empty: from a snapshot. */
  readonly resumeToken: string;
  readonly skipSnapshot: boolean;
  /** Ends once what was committed at the beginning is told. */
  readonly stopWhenTold: boolean;
  /** Set beside a resume token: ends once it has told what was told up to here. */
  readonly untilToken: string;
  readonly bookmarkMs: number;
  /** Other changes than rotations and merges are left out. */
  readonly rotationsOnly: boolean;
}

export function isChangeWanted(question: WatchQuestion, { state, rotated }: Change): boolean {
  return (rotated || !question.rotationsOnly) && isWanted(question, state);
}

export function isWanted(
  { tenant, prefix, agents, keyPrefixes }: WatchQuestion,
  { tenant: owner, sessionKey }: StandingKey,
): boolean {
  if (tenant !== undefined && owner !== tenant) return false;
  return sessionKey.startsWith(prefix) && isKeyWithin(sessionKey, { agents, keyPrefixes });
}

/**
 * What `to` sees and `from` does not, wanted or not, after a change id.
 * @throws RESUME_TOKEN_EXPIRED once not all of it may be there any more
 */
export async function* changesOf(
  query: Query,
  range: Pick<WatchQuestion, "tenant" | "prefix">,
  from: Place,
  to: Snapshot,
  start: bigint,
): AsyncGenerator<Change> {
  const limit = LIMITS.watchPageRows;
  for (let after = start; ; ) {
    const found = await changesBetween(query, range, from.seen, to, after, limit);
    const { history, changes: page } = found;
    const error = cutOff(from, history);
    if (error !== undefined) throw error;
    yield* page;
    if (page.length < limit) return;
    after = page.at(-1)?.changeId ?? after;
  }
}
