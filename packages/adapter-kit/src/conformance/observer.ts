import { setTimeout as sleep } from "node:timers/promises";
import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { Turn } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { hasReason } from "@lanekeeper/rpc";
import type { AdapterSubject } from "./subject.ts";

/** A run that takes longer has failed; a replica that was killed is replaced after a lease of 15 s. */
const PATIENCE_MS = 60_000;
const LOOK_MS = 50;

/** Who stands in a conversation; undefined: nobody has been heard there. */
export async function sessionIn(
  subject: AdapterSubject,
  conversation: number,
): Promise<SessionRef | undefined> {
  const { lanekeeper, agentId } = subject;
  const request = { agentId, name: subject.nameOf(conversation), lookUpOnly: true };
  try {
    return (await lanekeeper.identity.resolveSession(request)).session?.ref;
  } catch (error) {
    if (hasReason(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

/** All turns of a conversation, oldest first. */
export async function turnsIn(subject: AdapterSubject, conversation: number): Promise<Turn[]> {
  const session = await sessionIn(subject, conversation);
  if (session === undefined) return [];
  const { sessionKey } = session;
  const { turns } = await subject.lanekeeper.runner.listTurns({ sessionKey, pageSize: 500 });
  return turns.toReversed();
}

/** So many turns of a conversation, all ended. */
export function endedTurnsIn(
  subject: AdapterSubject,
  conversation: number,
  count: number,
): Promise<Turn[]> {
  return until(`${count} turns have ended`, async () => {
    const turns = await turnsIn(subject, conversation);
    const ended = turns.filter(({ endTime }) => endTime !== undefined);
    return turns.length >= count && ended.length === turns.length ? turns : undefined;
  });
}

/** Looks until something is there. @throws Error naming what did not come */
export async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const endMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > endMs) throw new Error(`it did not come to pass that ${what}`);
    await sleep(LOOK_MS);
  }
}

/** @throws Error saying what does not hold */
export function mustHold(holds: boolean, what: string): void {
  if (!holds) throw new Error(`it does not hold that ${what}`);
}
