import type { IdentityClient } from "@lanekeeper/client";
import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { hasReason } from "@lanekeeper/rpc";
import { agentOf, type CanonicalKey } from "@lanekeeper/session-key";
import type { SendOutcome } from "../../domain/send-outcome.ts";
import type { Limits } from "../../limits.ts";
import { keysOfPlace, moveRoutes } from "../../store/routes/move-routes.ts";
import type { DeliveryDatabase } from "../../store/sql.ts";
import type { Reply } from "../channel.ts";

export interface FollowDeps {
  readonly db: DeliveryDatabase;
  readonly identity: Pick<IdentityClient, "registerEquivalence">;
  readonly limits: Pick<Limits, "fenceMs">;
}

/**
 * A group has become a supergroup, which is another chat with another id. Both names are made one
 * conversation, as ingress does when it is told of the same; then all routes of the tenant's bot to the
 * chat go to the new one, with what waits on them, in its order. Until the conversations are one nothing
 * is moved: the reply is tried again, and asks Telegram again.
 * https://core.telegram.org/bots/api#responseparameters
 */
export async function followChat(
  deps: FollowDeps,
  reply: Reply,
  movedTo: string,
): Promise<SendOutcome> {
  const { tenant, principal, requestLabel: requestId, kind, accountId, address } = reply;
  const place = { tenant, kind, accountId, address };
  const call = { tenant, principal, requestId, within: reply, timeoutMs: deps.limits.fenceMs };
  const agents = (await keysOfPlace(deps.db, place)).map((key) => agentOf(key as CanonicalKey));
  const peer = (peerId: string) => {
    return { channel: "telegram", accountId, kind: PeerKind.GROUP, peerId, threadId: "" };
  };
  for (const agentId of new Set(agents)) {
    const request = { agentId, peer: peer(address), sameAs: peer(movedTo), source: "telegram" };
    try {
      await deps.identity.registerEquivalence(request, call);
    } catch (error) {
      // Both have had sessions for long: they go on apart until an operator merges them.
      if (!hasReason(error, "ALIAS_CONFLICT")) return notYet(movedTo, error);
    }
  }
  await moveRoutes(deps.db, place, movedTo, {
    principal,
    note: `the group became the supergroup ${movedTo}`,
  });
  return { kind: "moved", error: `the group has become the supergroup ${movedTo}` };
}

function notYet(movedTo: string, error: unknown): SendOutcome {
  const why = error instanceof Error ? error.message : String(error);
  return {
    kind: "failed",
    error: `the group has become ${movedTo}, and that could not be registered: ${why}`,
  };
}
