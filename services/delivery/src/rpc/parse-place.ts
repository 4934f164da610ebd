import type { RegisterRouteRequest } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { type CallContext, invalid, peerName, permissionDenied } from "@lanekeeper/rpc";
import type { AllowedNetworks } from "@lanekeeper/addresses";
import type { Place } from "../domain/route-place.ts";
import { parseWebhookAddress } from "../domain/webhook-address.ts";
import type { Limits } from "../limits.ts";
import { parseSessionKey, parseText } from "./fields.ts";

/** What each kind of address must look like; what there is no rule for is refused. */
interface PlaceRule {
  readonly kind: RouteKind;
  readonly address: RegExp;
  readonly addressText: string;
  readonly accountText: string;
  readonly thread: RegExp;
  readonly threadText: string;
}

const SLACK: PlaceRule = {
  kind: RouteKind.SLACK,
  address: /^[CDGUW][A-Z0-9]{1,31}$/,
  addressText: "must be Slack's id of a conversation or user, such as C0123456789",
  accountText: "is required: the Slack team, such as T0123456789",
  thread: /^(\d{1,12}\.\d{1,9})?$/,
  threadText: "must be a thread_ts, such as 1503435956.000247, or empty",
};

const TELEGRAM: PlaceRule = {
  kind: RouteKind.TELEGRAM,
  address: /^(-?\d{1,19}|@[A-Za-z0-9_]{4,32})$/,
  addressText: "must be a chat's id, such as -1001234567890, or @name of a channel",
  accountText: "is required: the bot, as the configuration names it",
  thread: /^\d{0,19}$/,
  threadText: "must be a topic's id, or empty",
};

/** @throws INVALID_REQUEST, MALFORMED_KEY, PERMISSION_DENIED */
export function parsePlace(
  request: RegisterRouteRequest,
  { peer }: Pick<CallContext, "peer">,
  allowed: AllowedNetworks,
  limits: Limits,
): Place {
  const accountId = parseText("account_id", request.accountId, limits.accountIdBytes);
  const threadId = parseText("thread_id", request.threadId, limits.threadIdBytes);
  switch (request.kind) {
    case RouteKind.WEBHOOK: {
      const address = parseWebhookAddress(request.address, allowed, limits.addressBytes);
      if (typeof address === "object") throw invalid("address", address.problem);
      return { kind: request.kind, accountId, address, threadId };
    }
    case RouteKind.SLACK:
      return ruled(SLACK, { accountId, address: request.address, threadId });
    case RouteKind.TELEGRAM:
      return ruled(TELEGRAM, { accountId, address: request.address, threadId });
    case RouteKind.PARENT_SESSION:
      if (peerName(peer) !== "runner") {
        throw permissionDenied("routes of kind PARENT_SESSION are the runner's alone", {});
      }
      return {
        kind: request.kind,
        accountId,
        address: parseSessionKey("address", request.address),
        threadId,
      };
    default:
      throw invalid("kind", "must be a kind of address that replies can be sent to");
  }
}

function ruled(rule: PlaceRule, place: Omit<Place, "kind">): Place {
  if (!rule.address.test(place.address)) throw invalid("address", rule.addressText);
  if (place.accountId === "") throw invalid("account_id", rule.accountText);
  if (!rule.thread.test(place.threadId)) throw invalid("thread_id", rule.threadText);
  return { kind: rule.kind, ...place };
}
