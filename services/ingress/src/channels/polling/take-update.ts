import { randomUUID } from "node:crypto";
import type { EventTaker } from "@lanekeeper/adapter-kit";
import { type Log, turnLog } from "@lanekeeper/service";
import type { ChannelClients } from "../ports-for.ts";
import { callerOf, takeFor } from "../take.ts";
import type { TelegramAdapter } from "../telegram/adapter.ts";
import type { Polling } from "./poll-updates.ts";

interface Taking {
  readonly taker: EventTaker;
  readonly clients: ChannelClients;
  readonly log: Log;
}

/** Takes updates that were asked for to their lanes, as if they had been posted. */
export function takeUpdate(taking: Taking, adapter: TelegramAdapter): Polling["take"] {
  return async (account, event, traceparent) => {
    const caller = callerOf(adapter, account, "adapter");
    // Nobody made a request: the label stands for this attempt.
    const requestId = randomUUID();
    const options = { requestId, withinMs: adapter.ackWithinMs, within: { traceparent } };
    const outcome = await takeFor(taking, adapter, account, caller, event, options);
    const turn = outcome.kind === "turn" ? { turn_id: outcome.turnId } : {};
    const session = "session" in outcome ? outcome.session : undefined;
    turnLog(taking.log, {
      tenant: caller.tenant,
      principal: caller.principal,
      channel: "telegram",
      traceparent,
      request_id: requestId,
      session_key: session?.sessionKey,
      ...turn,
    }).info({ outcome: outcome.kind, ...reasonOf(outcome) }, "update");
  };
}

function reasonOf(outcome: Awaited<ReturnType<EventTaker["take"]>>): object {
  if (outcome.kind === "refused") return { reason: outcome.error.reason, err: outcome.error };
  return outcome.kind === "ignored" ? { why: outcome.why } : {};
}
