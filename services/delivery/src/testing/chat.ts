import type { DeliveryClient } from "@lanekeeper/client";
import { type OnUnknown, RouteKind } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { OutboundPartSchema } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { reply, SESSION_KEY } from "./replies.ts";

/** The accounts of the tests, and where their tokens stand. */
export const SLACK = { kind: RouteKind.SLACK, accountId: "T0123" };
export const TELEGRAM = { kind: RouteKind.TELEGRAM, accountId: "bot7" };
export const TOKENS = { SLACK_TOKEN: "xoxb-slack-secret", TELEGRAM_TOKEN: "7:telegram-secret" };

/** Makes both accounts known to the client's tenant. */
export async function applyAccounts(client: DeliveryClient): Promise<void> {
  const slack = { ...SLACK, tokenEnv: "SLACK_TOKEN" };
  const telegram = { ...TELEGRAM, tokenEnv: "TELEGRAM_TOKEN" };
  await client.applyChannelAccounts({ accounts: [slack, telegram] });
}

/** A route to a conversation of one of the accounts. */
export async function chatRoute(
  client: DeliveryClient,
  place: (typeof SLACK | typeof TELEGRAM) & {
    readonly address: string;
    readonly threadId?: string;
  },
  onUnknown?: OnUnknown,
): Promise<string> {
  const policy = onUnknown === undefined ? {} : { policy: { onUnknown } };
  const { route } = await client.registerRoute({ sessionKey: SESSION_KEY, ...place, ...policy });
  return route?.routeId ?? "";
}

type Part = MessageInitShape<typeof OutboundPartSchema>;

export const text = (value: string): Part => ({ content: { case: "text", value } });

export function file(bytes: Uint8Array, mediaType: string, fileName: string): Part {
  return { content: { case: "fileData", value: bytes }, mediaType, fileName };
}

/** Hands a reply of these parts over. */
export async function enqueueParts(
  client: DeliveryClient,
  routeId: string,
  turn: string,
  parts: readonly Part[],
): Promise<string> {
  const request = { ...reply(routeId, turn), parts: [...parts] };
  return (await client.enqueueDelivery(request)).deliveryId;
}
