import { type Message, Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { fits, messageBytes, type Size, sizeOf } from "./message-size.ts";

/**
 * The messages without as many of their oldest exchanges as it takes until they fit: whole ones, so that
 * no tool's result stands without its call. System messages among them go last, and those at the head, the
 * instructions, not at all; nor do the last answer and what follows it. So it may not fit even then.
 */
export function leaveOutOldest(messages: readonly Message[], room: Size): readonly Message[] {
  const old = oldExchanges(messages);
  const out = new Set<Message>();
  let { count, bytes } = sizeOf(messages);
  for (const takesSystem of [false, true]) {
    for (const exchange of old) {
      if (fits({ count, bytes }, room)) break;
      for (const message of exchange) {
        if ((message.role === Role.SYSTEM) !== takesSystem) continue;
        out.add(message);
        count -= 1;
        bytes -= messageBytes(message);
      }
    }
  }
  return messages.filter((message) => !out.has(message));
}

/** What may go, up to the last answer: an exchange begins where somebody speaks after the agent has. */
function oldExchanges(messages: readonly Message[]): readonly (readonly Message[])[] {
  const answer = messages.findLastIndex(({ role }) => role === Role.ASSISTANT);
  const head = messages.findIndex(({ role }) => role !== Role.SYSTEM);
  const exchanges: Message[][] = [];
  let last: Message[] | undefined;
  let isAnswered = false;
  for (const message of messages.slice(head, Math.max(head, answer))) {
    const speaks = message.role === Role.USER || message.role === Role.SYSTEM;
    if (last === undefined || (isAnswered && speaks)) {
      last = [];
      exchanges.push(last);
      isAnswered = false;
    }
    last.push(message);
    if (message.role === Role.ASSISTANT) isAnswered = true;
  }
  return exchanges;
}
