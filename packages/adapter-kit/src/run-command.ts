import { timestampDate } from "@bufbuild/protobuf/wkt";
import {
  RotationReason,
  type SessionRef,
} from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { Lane } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { hasReason } from "@lanekeeper/rpc";
import type { Deadline } from "./deadline.ts";
import type { AdapterAccount, CommandEvent } from "./event.ts";
import { idempotencyKey, requestIdOf } from "./event-ids.ts";
import type { AdapterPorts } from "./ports.ts";
import { resolve } from "./submit-message.ts";

/** A command on its way past the lane. */
export interface CommandRun {
  readonly ports: AdapterPorts;
  readonly account: AdapterAccount;
  readonly event: CommandEvent;
  readonly deadline: Deadline;
}

/** What a command did. */
export interface CommandResult {
  /** Who stands there now; undefined where the name has never been seen, and the answer is said nowhere. */
  readonly session: SessionRef | undefined;
  /** For the person. */
  readonly text: string;
}

/**
 * Does what a command says. Where its name has never been seen it is about nothing, and says so. Said in a place,
 * that is an answer of a conversation, as all that goes out is, so one begins.
 */
export async function runCommand(run: CommandRun): Promise<CommandResult> {
  const { ports, account, event, deadline } = run;
  idempotencyKey(account, event.eventId);
  const session = await resolve(ports, account, event.name, deadline, true).catch(
    (error: unknown) => {
      if (hasReason(error, "NOT_FOUND")) return undefined;
      throw error;
    },
  );
  if (session === undefined) return aboutNothing(run);
  switch (event.command) {
    case "new":
      return beginAnew(run, session);
    case "status":
      return { session, text: statusText(session, await laneOf(run, session)) };
    case "stop":
      return stop(run, session);
  }
}

const NONE_YET = "There is no conversation here yet.";

async function aboutNothing(run: CommandRun): Promise<CommandResult> {
  const { ports, account, event, deadline } = run;
  if (!isSaidInPlace(run)) return { session: undefined, text: NONE_YET };
  const session = await resolve(ports, account, event.name, deadline);
  if (event.command !== "new") return { session, text: NONE_YET };
  // Done all the same: sent again, the event must not end what was begun by then.
  const done = await beginAnew(run, session);
  return { ...done, text: `${NONE_YET} It begins with your next message.` };
}

/** Whether the answer goes to where the command was given, and not back to who posted it. */
export function isSaidInPlace({ ports, event }: Pick<CommandRun, "event" | "ports">): boolean {
  return event.place !== undefined && ports.say !== undefined;
}

/**
 * Shows the generation that stands there, so that two who say it at once reset once. The event's id is
 * the request id: the same event sent again resets nothing, whatever generation stands there by then.
 */
async function beginAnew(
  { ports, account, event, deadline }: CommandRun,
  session: SessionRef,
): Promise<CommandResult> {
  try {
    const { rotation } = await ports.identity.rotateSession(
      {
        requestId: requestIdOf(idempotencyKey(account, event.eventId)),
        sessionKey: session.sessionKey,
        reason: RotationReason.RESET,
        precondition: { case: "expectedGeneration", value: session.generation },
        note: `/new by ${event.senderId || account.channel}`,
      },
      deadline.call,
    );
    return { session: rotation?.current ?? session, text: "This conversation begins anew." };
  } catch (error) {
    if (!isDoneAlready(error)) throw error;
    return { session, text: "This conversation has begun anew already." };
  }
}

/** Another was faster; or it is this event again, which saw another generation the first time. */
function isDoneAlready(error: unknown): boolean {
  return hasReason(error, "GENERATION_MISMATCH") || hasReason(error, "IDEMPOTENCY_MISMATCH");
}

async function stop(run: CommandRun, session: SessionRef): Promise<CommandResult> {
  const { ports, account, event, deadline } = run;
  const turn = (await laneOf(run, session))?.activeTurn;
  const messageId = turn?.origin?.source === account.channel ? turn.origin.externalMessageId : "";
  const acceptTime = turn?.acceptTime && timestampDate(turn.acceptTime);
  if (turn === undefined || acceptTime === undefined || !event.isAbout({ messageId, acceptTime })) {
    return { session, text: "Nothing is running." };
  }
  const note = `/stop by ${event.senderId || account.channel}`;
  // An album is one message to whoever stops it, and so are all of its turns.
  const request = { turnId: turn.turnId, note, withGroup: true };
  await ports.runner.cancelTurn(request, deadline.call);
  return { session, text: "Stopped." };
}

async function laneOf(
  { ports, deadline }: CommandRun,
  { sessionKey }: SessionRef,
): Promise<Lane | undefined> {
  return (await ports.runner.getLane({ sessionKey }, deadline.call)).lane;
}

function statusText({ generation }: SessionRef, lane: Lane | undefined): string {
  const waiting = lane?.depth ?? 0;
  const runs = lane?.activeTurn === undefined ? "Nothing is running" : "An answer is being written";
  const waits = waiting === 1 ? "1 message waits" : `${waiting} messages wait`;
  return `${runs}, ${waits}. Generation ${generation}.`;
}
