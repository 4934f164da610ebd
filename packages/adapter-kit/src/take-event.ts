import {
  SessionBusySchema,
  type SessionRef,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { hasReason, type LanekeeperError, type Reason } from "@lanekeeper/rpc";
import { finalRefusal } from "./acknowledges.ts";
import { Deadline, type TakeOptions } from "./deadline.ts";
import type { AdapterAccount, CommandEvent, InboundEvent, MessageEvent } from "./event.ts";
import { groupRequestId, idempotencyKey, requestIdOf } from "./event-ids.ts";
import { KnownSame } from "./known-same.ts";
import type { Outcome, RegisteredRoute } from "./outcome.ts";
import type { AdapterPorts } from "./ports.ts";
import { isSaidInPlace, runCommand } from "./run-command.ts";
import { register, resolve, submitMessage } from "./submit-message.ts";

/** Through whom an event came, and for whom the ports act. */
export interface EventSource {
  readonly ports: AdapterPorts;
  readonly account: AdapterAccount;
  /** Tells tenants apart where one process serves several; empty where it serves one. */
  readonly tenant: string;
}

/** Takes verified events to their lanes. Holds nothing that a restart would lose. */
export class EventTaker {
  readonly #same: KnownSame;

  /** @param nowMs a clock that only goes forward */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#same = new KnownSame(nowMs);
  }

  /**
   * Resolves once the provider may be told that the event is taken: the turn is committed, the command
   * done, or the event refused for good.
   * @throws what asks the provider to send the event again (STORE_UNAVAILABLE, DRAINING, RATE_LIMITED,
   * QUOTA, SESSION_BUSY, INTERNAL, a deadline that passed): do not acknowledge it. The repeat joins what
   * may have been accepted.
   */
  async take(source: EventSource, event: InboundEvent, options: TakeOptions): Promise<Outcome> {
    if (event.kind === "ignored") return event;
    const deadline = new Deadline(options);
    let at: Spoken | undefined;
    try {
      switch (event.kind) {
        case "message":
          return await submitMessage({
            ...source,
            event,
            deadline,
            registerSame: () => this.#register(source, event, deadline),
            onRoute: (session, route) => (at = { session, route }),
          });
        case "command":
          await this.#register(source, event, deadline);
          return await command(source, event, deadline);
        case "same-peer":
          // Before anybody can speak under both names, so that what is said at the new id has no route of its own.
          if (event.moved !== undefined) await source.ports.move?.(event.moved, deadline.call);
          await this.#register(source, event, deadline);
          return { kind: "same-peer" };
      }
    } catch (error) {
      const refusal = finalRefusal(error) ?? rejection(error, at);
      if (refusal === undefined) throw error;
      const place = event.kind === "message" ? at : undefined;
      return refused(source, event, refusal, place, deadline);
    }
  }

  #register(
    { ports, tenant, account }: EventSource,
    { samePeers = [] }: { readonly samePeers?: MessageEvent["samePeers"] },
    deadline: Deadline,
  ): Promise<void> {
    return this.#same.register(ports, tenant, account, samePeers, deadline);
  }
}

async function command(
  { ports, account }: EventSource,
  event: CommandEvent,
  deadline: Deadline,
): Promise<Outcome> {
  const { session, text } = await runCommand({ ports, account, event, deadline });
  const { place, command: name, eventId } = event;
  const isSaid = session !== undefined && place !== undefined && isSaidInPlace({ ports, event });
  if (isSaid) {
    // The answer is part of the conversation: where that was being erased, somebody has come back to it.
    await resolve(ports, account, event.name, deadline);
    const { routeId } = await register(ports, account, session, place, deadline);
    const requestId = requestIdOf(idempotencyKey(account, eventId));
    await say(ports, { requestId, session, routeId, text }, deadline);
  }
  return { kind: "command", command: name, session, text, isSaid };
}

/** Where a message was said, once that is known. */
interface Spoken {
  readonly session: SessionRef;
  readonly route: RegisteredRoute;
}

/**
 * The refusal of a message by a lane whose agent rejects while a run holds it. Asked again it would be taken once
 * the run is over, but until then it would stand in the way of all that its sender, or the whole bot, says next.
 */
function rejection(error: unknown, at: Spoken | undefined): LanekeeperError | undefined {
  if (at === undefined || !hasReason(error, "SESSION_BUSY")) return undefined;
  // What names a bound was not rejected: the lane changed too fast to take it, and takes it a moment later.
  const isRejected = error.metadata["bound"] === undefined;
  return isRejected && error.detail(SessionBusySchema) !== undefined ? error : undefined;
}

const NO_ROOM: Partial<Record<Reason, string>> = {
  QUEUE_FULL: "Too many messages wait here. Please send it again later.",
  SESSION_BUSY: "An earlier message is still being answered. Please send this one again later.",
};

/** A person whose message finds no room is told; everything else is the operator's to know. */
async function refused(
  { ports, account }: EventSource,
  event: InboundEvent,
  error: LanekeeperError,
  at: Spoken | undefined,
  deadline: Deadline,
): Promise<Outcome> {
  const text = NO_ROOM[error.reason];
  const isSaid = text !== undefined && at !== undefined && ports.say !== undefined;
  if (isSaid && event.kind === "message") {
    const { session, route } = at;
    const { eventId, groupId = "" } = event;
    const requestId =
      groupId === ""
        ? requestIdOf(idempotencyKey(account, eventId))
        : groupRequestId(session.sessionId, groupId);
    await say(ports, { requestId, session, routeId: route.routeId, text }, deadline);
  }
  // Without a word to the person the message would be lost in silence: let the provider come again.
  if (text !== undefined && !isSaid) throw error;
  return { kind: "refused", error, text, isSaid };
}

/** A repeat of the event may find other words for it: what was said first stands. */
async function say(
  { say: send }: AdapterPorts,
  said: Parameters<NonNullable<AdapterPorts["say"]>>[0],
  deadline: Deadline,
): Promise<void> {
  try {
    await send?.(said, deadline.call);
  } catch (error) {
    if (!hasReason(error, "IDEMPOTENCY_MISMATCH")) throw error;
  }
}
