import type { DeliveryClient } from "@lanekeeper/client";
import type { ServiceName } from "@lanekeeper/rpc";
import { Disposal, systemIds } from "@lanekeeper/service";
import {
  type SlackServer,
  startSlackServer,
  startTelegramServer,
  type TelegramServer,
} from "@lanekeeper/testing";
import type { Limits } from "../limits.ts";
import type { DeliveryDatabase } from "../store/sql.ts";
import { applyAccounts, TOKENS } from "./chat.ts";
import { IdentityStandIn } from "./identity-stand-in.ts";
import { QUICK, SECRET, startTestDelivery, type TestDelivery } from "./test-delivery.ts";

/** A delivery between session-identity and both platforms, all of them stand-ins. */
export interface ChatWorld extends AsyncDisposable {
  readonly identity: IdentityStandIn;
  readonly slack: SlackServer;
  readonly telegram: TelegramServer;
  readonly delivery: TestDelivery;
  /** A client with this peer's credential, of the world's own tenant, which has both accounts. */
  as(peer: ServiceName): DeliveryClient;
}

/** @param limits beside the quick ones */
export async function startChatWorld(
  db: DeliveryDatabase,
  limits: Partial<Limits> = {},
): Promise<ChatWorld> {
  const opened = new Disposal();
  const identity = opened.use(new IdentityStandIn(SECRET));
  await identity.start();
  const slack = opened.use(await startSlackServer(TOKENS.SLACK_TOKEN));
  const telegram = opened.use(await startTelegramServer(TOKENS.TELEGRAM_TOKEN));
  const delivery = opened.use(
    await startTestDelivery(db, identity, {
      slackUrl: new URL(slack.apiUrl),
      telegramUrl: new URL(`${telegram.origin}/`),
      ...{ env: TOKENS, limits: { ...QUICK, ...limits } },
    }),
  );
  const tenant = systemIds.uuid();
  const as = (peer: ServiceName) => delivery.as(peer, tenant);
  await applyAccounts(as("cli"));
  return {
    ...{ identity, slack, telegram, delivery, as },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}
