import type { ServerResponse } from "node:http";
import type { EventTaker, Outcome } from "@lanekeeper/adapter-kit";
import { LanekeeperError, unauthenticated } from "@lanekeeper/rpc";
import { inTrace, type Log } from "@lanekeeper/service";
import { type Exchange, type RequestFacts, sendJson } from "../http/exchange.ts";
import { type BodyBudget, readBody } from "../http/read-body.ts";
import { setDisposition } from "../http/lane-disposition.ts";
import type { Route } from "../http/routes.ts";
import type { IngressLimits } from "../limits.ts";
import { dispositionWord } from "../turns/disposition.ts";
import { isAccountId, type TenantAccount } from "./account.ts";
import type { AccountDirectory } from "./account-directory.ts";
import type { ChannelAdapter, RawEvent, Reading } from "./adapter.ts";
import { awaitRoom, type RoomContext } from "./await-room.ts";
import type { ChannelClients } from "./ports-for.ts";
import { callerOf, takeFor } from "./take.ts";

/** What the door of channels stands on. */
export interface ChannelsContext extends RoomContext {
  readonly accounts: AccountDirectory;
  readonly adapters: readonly ChannelAdapter[];
  readonly taker: EventTaker;
  readonly clients: ChannelClients;
  readonly bodyBudget: BodyBudget;
  readonly log: Log;
  readonly limits: Pick<IngressLimits, "maxEventBytes">;
}

/**
 * `POST /channels/<kind>/<account>`: events of chat platforms and other programs. Acknowledged once the
 * turn is committed, the command done, or the event refused for good; anything else asks the provider
 * to come again. What shows no valid signature writes nothing.
 */
export function channelsRoute(context: ChannelsContext): Route {
  return {
    method: "POST",
    path: "/channels/*",
    isLogged: true,
    handle: (exchange) => handle(context, exchange),
  };
}

async function handle(
  context: ChannelsContext,
  { req, res, rest, facts }: Exchange,
): Promise<void> {
  const { adapter, accountId } = addressed(context, rest);
  facts.channel = adapter.word;
  facts.account = accountId;
  const startedMs = context.clock.monotonicMs();
  const body = await readBody(req, context.limits.maxEventBytes, context.bodyBudget);
  const raw = { headers: req.headers, body, now: context.clock.now() };
  const late = new AbortController();
  const timer = context.clock.setTimer(adapter.ackWithinMs, () => late.abort());
  try {
    const { log } = context;
    const own = { ...context, log: inTrace(log, facts.traceparent) };
    const found = await verified(own, adapter, accountId, raw);
    facts.caller = callerOf(adapter, found, "adapter");
    // The rest of the time is for the event.
    const withinMs = adapter.ackWithinMs / 2 - (context.clock.monotonicMs() - startedMs);
    await awaitRoom(context, found, facts.caller, {
      withinMs: Math.max(0, withinMs),
      tell: (headers) => setHeaders(res, headers),
    });
    const reading = await adapter.read(raw, {
      account: found.account,
      token: context.accounts.token(found),
      signal: late.signal,
    });
    if (reading.kind === "answer") {
      const about = { channel: adapter.word, account_id: accountId, request_id: facts.requestId };
      if (reading.warning !== undefined) own.log.warn(about, reading.warning);
      sendJson(res, reading.answer.status, reading.answer.body);
      return;
    }
    const owner = await ownerOf(own, adapter, found, reading, raw);
    const leftMs = adapter.ackWithinMs - (context.clock.monotonicMs() - startedMs);
    const outcome = await take(own, adapter, owner, reading, facts, Math.max(1, leftMs));
    if (facts.disposition !== undefined) setDisposition(res, facts.disposition);
    const { status, body: told } = adapter.answer(outcome);
    sendJson(res, status, told);
  } finally {
    timer.cancel();
  }
}

function setHeaders(res: ServerResponse, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
}

function addressed(
  { adapters }: ChannelsContext,
  rest: string,
): { readonly adapter: ChannelAdapter; readonly accountId: string } {
  const [word = "", accountId = "", ...more] = rest.split("/");
  const adapter = adapters.find((one) => one.word === word);
  if (adapter !== undefined && isAccountId(accountId) && more.length === 0) {
    return { adapter, accountId };
  }
  throw new LanekeeperError("NOT_FOUND", "there is no channel at this path");
}

/** One answer for an unknown account and for a signature that does not fit: neither tells what is there. */
async function verified(
  { accounts, log }: ChannelsContext,
  adapter: ChannelAdapter,
  accountId: string,
  raw: RawEvent,
): Promise<TenantAccount> {
  const tried = await accounts.verified(adapter.kind, accountId, ({ account }, secret) =>
    adapter.isGenuine(raw, account, secret),
  );
  if (tried.found !== undefined) return tried.found;
  const { accounts: named, secrets } = tried;
  const about = { channel: adapter.word, account_id: accountId, accounts: named, secrets };
  log.info(about, "a post shows no valid signature");
  const message = "the post shows no signature, an old one, or none of an account of this name";
  throw unauthenticated(message);
}

/** One app may serve several teams at one path: the same secret then speaks for the team's own account. */
async function ownerOf(
  context: ChannelsContext,
  adapter: ChannelAdapter,
  found: TenantAccount,
  { accountId }: Extract<Reading, { kind: "event" }>,
  raw: RawEvent,
): Promise<TenantAccount> {
  if (accountId === found.account.accountId) return found;
  return verified(context, adapter, isAccountId(accountId) ? accountId : "", raw);
}

async function take(
  context: ChannelsContext,
  adapter: ChannelAdapter,
  owner: TenantAccount,
  { event, scope }: Extract<Reading, { kind: "event" }>,
  facts: RequestFacts,
  withinMs: number,
): Promise<Outcome> {
  const caller = callerOf(adapter, owner, scope);
  facts.caller = caller;
  facts.account = owner.account.accountId;
  if ("name" in event && event.name.case === "rawKey") facts.rawKey = event.name.value;
  const options = { requestId: facts.requestId, withinMs, within: facts };
  const outcome = await takeFor(context, adapter, owner, caller, event, options);
  note(context, facts, outcome);
  return outcome;
}

/** For the log line and the request log. */
function note({ log }: ChannelsContext, facts: RequestFacts, outcome: Outcome): void {
  const { requestId: request_id } = facts;
  switch (outcome.kind) {
    case "turn":
      facts.turnId = outcome.turnId;
      facts.disposition = dispositionWord(outcome.disposition);
      if (outcome.session !== undefined) facts.session = outcome.session;
      return;
    case "command":
      if (outcome.session !== undefined) facts.session = outcome.session;
      log.info({ request_id, command: outcome.command }, "a command went past the lane");
      return;
    case "refused":
      facts.error = outcome.error;
      facts.disposition = "rejected";
      return;
    case "ignored":
      log.debug({ request_id, why: outcome.why }, "an event is ignored");
      return;
    case "same-peer":
      return;
  }
}
