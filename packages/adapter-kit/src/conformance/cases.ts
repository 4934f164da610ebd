import { randomUUID } from "node:crypto";
import { RotationReason } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { endedTurnsIn, mustHold, sessionIn, turnsIn, until } from "./observer.ts";
import type { AdapterSubject } from "./subject.ts";

/** One thing that every adapter must keep to. Throws, saying what does not hold, where it does not. */
export interface ConformanceCase {
  readonly name: string;
  run(subject: AdapterSubject): Promise<void>;
}

let last = Date.now() % 1_000_000_000;

/** A number that this process has not used. */
const next = (): number => ++last;

/** What is asked of every adapter, one after the other; each has conversations of its own. */
export const CONFORMANCE: readonly ConformanceCase[] = [
  { name: "a duplicate event is one turn", run: duplicates },
  { name: "an event that comes late, after a reset, is neither lost nor doubled", run: lateEvents },
  {
    name: "first messages that race are one conversation, and all are answered",
    run: firstContact,
  },
  { name: "a restart between acceptance and acknowledgement doubles nothing", run: restarts },
  { name: "a command is no turn, and a repeated one is done once", run: commands },
];

async function duplicates(subject: AdapterSubject): Promise<void> {
  const event = { event: next(), conversation: next(), text: "once" };
  for (let attempt = 0; attempt < 2; attempt += 1) {
    mustHold(await subject.send(event), "the event and its repeat are acknowledged");
  }
  const [turn] = await endedTurnsIn(subject, event.conversation, 1);
  mustHold(turn?.state === TurnState.COMPLETED, "the turn is answered");
  const again = await Promise.all([1, 2, 3, 4].map(() => subject.send(event)));
  mustHold(again.every(Boolean), "repeats at once are acknowledged");
  mustHold((await turnsIn(subject, event.conversation)).length === 1, "there is one turn");
  const racing = { event: next(), conversation: event.conversation, text: "at once" };
  const answers = await Promise.all([1, 2, 3, 4].map(() => subject.send(racing)));
  mustHold(answers.some(Boolean), "one of several deliveries at once is acknowledged");
  mustHold(await subject.send(racing), "its repeat is acknowledged");
  mustHold((await turnsIn(subject, event.conversation)).length === 2, "it is one turn");
}

async function lateEvents(subject: AdapterSubject): Promise<void> {
  const before = { event: next(), conversation: next(), text: "before" };
  mustHold(await subject.send(before), "an event is acknowledged");
  await endedTurnsIn(subject, before.conversation, 1);
  const session = await sessionIn(subject, before.conversation);
  await subject.lanekeeper.identity.rotateSession({
    requestId: randomUUID(),
    sessionKey: session?.sessionKey ?? "",
    reason: RotationReason.RESET,
    note: "conformance",
  });
  mustHold(await subject.send(before), "a repeat after a reset is acknowledged");
  mustHold(
    (await turnsIn(subject, before.conversation)).length === 1,
    "a repeat is no second turn",
  );
  const after = { ...before, event: next(), text: "after" };
  mustHold(await subject.send(after), "a new event after a reset is acknowledged");
  const turn = (await endedTurnsIn(subject, before.conversation, 2))[1];
  const current = await sessionIn(subject, before.conversation);
  mustHold(turn?.state === TurnState.COMPLETED, "a new event after a reset is answered");
  mustHold(turn?.session?.generation === current?.generation, "it runs in the new generation");
}

async function firstContact(subject: AdapterSubject): Promise<void> {
  const conversation = next();
  const events = Array.from({ length: 6 }, () => ({ event: next(), conversation, text: "first" }));
  const answers = await Promise.all(events.map((event) => subject.send(event)));
  mustHold(answers.every(Boolean), "all first messages are acknowledged");
  const turns = await endedTurnsIn(subject, conversation, events.length);
  mustHold(turns.length === events.length, "each message is one turn");
  mustHold(
    turns.every(({ state }) => state === TurnState.COMPLETED),
    "each message is answered",
  );
  const sessions = new Set(turns.map(({ session }) => session?.sessionId));
  mustHold(sessions.size === 1, "all of them are in one session");
}

async function restarts(subject: AdapterSubject): Promise<void> {
  const event = { event: next(), conversation: next(), text: "accepted, never acknowledged" };
  // Whatever it is told, the platform does not hear it.
  const unheard = subject.send(event).catch(() => false);
  await until("the event is accepted", async () => {
    const turns = await turnsIn(subject, event.conversation);
    return turns.length > 0 ? turns : undefined;
  });
  await subject.restart();
  await unheard;
  mustHold(await subject.send(event), "the repeat after a restart is acknowledged");
  const turns = await endedTurnsIn(subject, event.conversation, 1);
  mustHold(turns.length === 1, "the event is one turn");
  mustHold(turns[0]?.state === TurnState.COMPLETED, "it is answered");
}

async function commands(subject: AdapterSubject): Promise<void> {
  const said = { event: next(), conversation: next(), text: "hello" };
  const early = { ...said, event: next(), text: "", command: "status" } as const;
  mustHold(await subject.send(early), "a command without a conversation is acknowledged");
  mustHold((await turnsIn(subject, said.conversation)).length === 0, "it is no turn");
  const first = { ...said, event: next() };
  mustHold(await subject.send(first), "a message is acknowledged");
  await endedTurnsIn(subject, said.conversation, 1);
  const anew = { ...early, event: next(), command: "new" } as const;
  for (let attempt = 0; attempt < 2; attempt += 1) {
    mustHold(await subject.send(anew), "/new and its repeat are acknowledged");
  }
  const session = await sessionIn(subject, said.conversation);
  mustHold(session?.generation === 2n, "/new, sent twice, resets once");
  mustHold((await turnsIn(subject, said.conversation)).length === 1, "commands are no turns");
}
