import type { IdentityClient } from "@lanekeeper/client";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { hasReason, type TracedWork } from "@lanekeeper/rpc";
import type { Clock } from "@lanekeeper/service";
import type { SendOutcome } from "../domain/send-outcome.ts";
import type { Limits } from "../limits.ts";
import type { ChatPlace } from "../store/routes/chat-place.ts";
import { agentsOfPlace, moveRoutes } from "../store/routes/move-routes.ts";
import { currentAddress, recordMove } from "../store/routes/moved-addresses.ts";
import type { DeliveryDatabase } from "../store/sql.ts";
import type { Reply } from "./channel.ts";

export interface MoveDeps {
  readonly db: DeliveryDatabase;
  readonly identity: Pick<IdentityClient, "registerEquivalence">;
  readonly limits: Pick<Limits, "fenceMs" | "routesPerMove">;
}

/** For whom, and in whose trace, routes are moved. */
export interface Mover {
  readonly principal: string;
  readonly requestId: string;
  readonly within: TracedWork;
  /** A route that is moved at any rate; left out: none. */
  readonly routeId?: string;
  /** Asked after a portion: whether there is time for another. */
  readonly hasTime: () => boolean;
}

/** Channels whose conversations may get another id, and what they are at session-identity. */
const MOVING: ReadonlyMap<number, { readonly channel: string; readonly kind: PeerKind }> = new Map([
  [RouteKind.SLACK, { channel: "slack", kind: PeerKind.CHANNEL }],
  [RouteKind.TELEGRAM, { channel: "telegram", kind: PeerKind.GROUP }],
]);

/**
 * Leads routes of an account from an id that a conversation had to the one that it has, in portions. True: all that
 * there were. Until both names are one conversation at session-identity nothing is moved, so that a reply to the old
 * id comes here again.
 * @throws SESSION_BUSY, and what cannot be reached
 */
export async function followMove(
  deps: MoveDeps,
  place: ChatPlace,
  movedTo: string,
  mover: Mover,
): Promise<boolean> {
  await makeOne(deps, place, movedTo, mover);
  const { db, limits } = deps;
  const { principal, routeId, hasTime } = mover;
  const limit = limits.routesPerMove;
  const changer = { principal, note: `the conversation became ${movedTo}`, limit };
  for (;;) {
    const isAll = (await moveRoutes(db, place, movedTo, changer, routeId)) < limit;
    if (isAll || !hasTime()) return isAll;
  }
}

/** As ingress does when it is told of the same, but for every agent that is spoken to there. */
async function makeOne(
  { db, identity, limits }: MoveDeps,
  place: ChatPlace,
  movedTo: string,
  { principal, requestId, within }: Mover,
): Promise<void> {
  const { tenant, accountId, address } = place;
  const call = { tenant, principal, requestId, within, timeoutMs: limits.fenceMs };
  const what = MOVING.get(place.kind);
  const peer = (peerId: string) => ({ ...what, accountId, peerId, threadId: "" });
  for (const agentId of await agentsOfPlace(db, place)) {
    const source = what?.channel ?? "";
    const request = { agentId, peer: peer(address), sameAs: peer(movedTo), source };
    try {
      await identity.registerEquivalence(request, call);
    } catch (error) {
      // Both have had sessions for long: they go on apart until an operator merges them.
      if (!hasReason(error, "ALIAS_CONFLICT")) throw error;
    }
  }
}

type NotTaken = Extract<SendOutcome, { kind: "refused" | "held" }>;

/**
 * Before a reply is given up: its conversation may have another id, of which the channel has just told, or ingress
 * before. Then its route leads there, and it is tried again in its place on it.
 */
export async function elsewhere(
  deps: MoveDeps & { readonly clock: Clock },
  reply: Reply & { readonly routeId: string },
  outcome: NotTaken,
): Promise<SendOutcome> {
  if (!MOVING.has(reply.kind)) return outcome;
  let movedTo = "another one";
  try {
    movedTo = await whereTo(deps, reply, outcome);
    if (movedTo === reply.address) return outcome;
    const { principal, requestLabel: requestId, routeId } = reply;
    const mover = { principal, requestId, within: reply, routeId, hasTime: () => false };
    await followMove(deps, reply, movedTo, mover);
    return { kind: "moved", error: `the conversation has become ${movedTo}` };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const what = `the conversation may have become ${movedTo}, and cannot be followed now: ${why}`;
    return { kind: "failed", error: `${outcome.error}; ${what}` };
  }
}

function whereTo(
  { db, clock }: Pick<MoveDeps, "db"> & { readonly clock: Clock },
  reply: Reply,
  outcome: NotTaken,
): Promise<string> {
  const told = outcome.kind === "refused" ? outcome.movedTo : undefined;
  return told === undefined || told === reply.address
    ? currentAddress(db, reply)
    : recordMove(db, reply, told, undefined, clock.now());
}
