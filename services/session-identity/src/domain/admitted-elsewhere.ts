import type { StandingKey } from "./key-state.ts";
import { type Refusal, refuse } from "./refusal.ts";

/** The session that a turn was admitted to, as its caller says. */
export interface AdmittedTo {
  readonly admittedGeneration: bigint;
  /** Undefined: the caller did not say. */
  readonly admittedSessionId: string | undefined;
}

/**
 * Refuses a turn that names a session which never stood under the key. One of a generation before this one is
 * not looked up: such a turn runs in the session of now, whatever it names.
 */
export function admittedElsewhere(
  { admittedGeneration: expected, admittedSessionId }: AdmittedTo,
  { session: { sessionId, generation } }: StandingKey,
): Refusal | undefined {
  if (admittedSessionId === undefined || expected < generation) return undefined;
  if (expected === generation && admittedSessionId === sessionId) return undefined;
  const stands = `generation ${generation} with session ${sessionId} stands under the key`;
  return refuse(
    "GENERATION_MISMATCH",
    `${stands}, the turn was admitted to generation ${expected} with session ${admittedSessionId}`,
    {
      session_id: sessionId,
      generation: String(generation),
      expected: String(expected),
      expected_session_id: admittedSessionId,
    },
  );
}
