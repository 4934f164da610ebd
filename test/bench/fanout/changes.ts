import { setTimeout as sleep } from "node:timers/promises";
import type { IdentityClient } from "@lanekeeper/client";
import { RotationReason } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";

/** Makes so many sessions, named by their number, each under a prefix of its own. */
export async function makeSessions(
  identity: IdentityClient,
  count: number,
  inFlight: number,
): Promise<void> {
  const numbers = Array.from({ length: count }, (_, n) => n).values();
  const work = async (): Promise<void> => {
    for (const n of numbers)
      await identity.resolveSession({ name: { case: "rawKey", value: rawKey(n) } });
  };
  await Promise.all(Array.from({ length: inFlight }, work));
}

const rawKey = (n: number): string => `room-${String(n).padStart(5, "0")}:chat`;

/** Of no other session's key. */
export function prefixOf(n: number): string {
  return `agent:main:room-${String(n).padStart(5, "0")}:`;
}

export interface Change {
  readonly sessionKey: string;
  readonly generation: bigint;
  readonly askedMs: number;
}

/** Resets one session after the other, at an even pace; gives when each was asked for. */
export async function changeEvenly(
  identity: IdentityClient,
  {
    count,
    perSecond,
    ms,
  }: { readonly count: number; readonly perSecond: number; readonly ms: number },
  onAsk: (change: Change) => void,
  generations: Map<number, bigint>,
): Promise<void> {
  const startedMs = performance.now();
  const total = Math.round((perSecond * ms) / 1_000);
  const open: Promise<unknown>[] = [];
  for (let n = 0; n < total; n += 1) {
    const waitMs = startedMs + (n * 1_000) / perSecond - performance.now();
    if (waitMs > 0) await sleep(waitMs);
    const room = n % count;
    const generation = (generations.get(room) ?? 1n) + 1n;
    generations.set(room, generation);
    const sessionKey = `${prefixOf(room)}chat`;
    onAsk({ sessionKey, generation, askedMs: performance.now() });
    const reason = RotationReason.RESET;
    open.push(identity.rotateSession({ requestId: `${room}/${generation}`, sessionKey, reason }));
  }
  await Promise.all(open);
}
