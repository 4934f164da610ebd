import { keyMoved } from "./judge-run.ts";
import { hasSession, type KeyState } from "./key-state.ts";
import { type ActEffects, NO_EFFECTS } from "./merge.ts";
import { type Refusal, refuse } from "./refusal.ts";

export interface AliasFacts {
  readonly alias: KeyState;
  readonly target: KeyState;
  /** Rows that lead to the key that becomes an alias. */
  readonly pointers: readonly KeyState[];
  readonly note: string;
}

/**
 * Leads one key to another of its agent. One hop: the target is no alias, and nothing may lead to the alias. Across
 * agents one agent would answer with the other's memory, as after a merge, which is refused likewise.
 */
export function decideAlias(facts: AliasFacts): ActEffects | Refusal {
  const { alias, target, pointers, note } = facts;
  if (alias.aliasOf === target.sessionKey) return NO_EFFECTS;
  if (alias.agentId !== target.agentId) {
    return refuse("AGENT_MISMATCH", "a key of one agent cannot lead to another's session", {
      agent_id: alias.agentId,
      target_agent_id: target.agentId,
    });
  }
  if (alias.aliasOf !== undefined)
    return conflict("the key is an alias already", alias, alias.aliasOf);
  if (hasSession(alias))
    return conflict("the key has a session of its own", alias, alias.sessionKey);
  if (target.aliasOf !== undefined)
    return conflict("the target is an alias", target, target.aliasOf);
  if (target.movedTo !== undefined) return keyMoved(target.sessionKey, target.movedTo);
  if (pointers.length > 0) return conflict("other keys are aliases of it", alias, alias.sessionKey);
  return aliasEffects(alias, target, [], note);
}

/**
 * The same, where what leads to the alias is taken along: for links and equivalences, which have no say
 * in who called the key what.
 */
export function aliasEffects(
  alias: KeyState,
  target: KeyState,
  pointers: readonly KeyState[],
  note: string,
): ActEffects {
  const aliasOf = target.sessionKey;
  return {
    changes: [{ ...alias, aliasOf }, ...pointers.map((pointer) => ({ ...pointer, aliasOf }))].map(
      (state) => ({ state }),
    ),
    runs: [],
    journal: [alias, target].map(({ sessionKey }) => ({
      sessionKey,
      draft: { operation: "register_alias", note: note === "" ? `to ${aliasOf}` : note },
    })),
  };
}

function conflict(message: string, key: KeyState, leadsTo: string): Refusal {
  return refuse("ALIAS_CONFLICT", message, { session_key: key.sessionKey, leads_to: leadsTo });
}

/** Takes an alias away; where it led, or undefined. */
export function decideRemoveAlias(
  alias: KeyState | undefined,
  note: string,
): { readonly previous: string | undefined; readonly effects: ActEffects } {
  if (alias?.aliasOf === undefined) return { previous: undefined, effects: NO_EFFECTS };
  const draft = { operation: "remove_alias", note: note === "" ? `from ${alias.aliasOf}` : note };
  return {
    previous: alias.aliasOf,
    effects: {
      changes: [{ state: { ...alias, aliasOf: undefined } }],
      runs: [],
      journal: [{ sessionKey: alias.sessionKey, draft }],
    },
  };
}
