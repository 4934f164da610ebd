import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { isAssistant, sameMessage, textOf } from "./message-text.ts";

/** A turn of the session as the rule sees it. */
export interface KnownTurn {
  /** What it added to the conversation. */
  readonly input: readonly Message[];
  /** The text that its caller was told; undefined while it has not completed. */
  readonly replyText: string | undefined;
  /** Ended, however. */
  readonly isFinished: boolean;
}

/** What the rule needs to know of the session, read under the lane's lock. */
export interface KnownSession {
  /** In lane order: the last finished turns whose input stands in the transcript, the active one, those that wait. */
  readonly turns: readonly KnownTurn[];
  /** System messages that stand in the transcript, the newest first. */
  readonly systemMessages: readonly Message[];
  /** Nothing was said yet, and no turn is under way that will say something. */
  readonly isEmpty: boolean;
}

/** A request's messages, parted. */
export interface NewInput {
  /** Stands before the input in an empty transcript; empty otherwise. */
  readonly seed: readonly Message[];
  /** What the turn adds; the request's last message is always its last. */
  readonly input: readonly Message[];
}

/** The messages of a request after its last assistant message, and those up to it. */
export function splitAtLastAnswer(messages: readonly Message[]): {
  readonly earlier: readonly Message[];
  readonly candidates: readonly Message[];
} {
  const at = messages.findLastIndex(isAssistant) + 1;
  // A request that ends with an assistant message (a prefill) still has its last message as its own.
  const from = Math.min(at, messages.length - 1);
  return { earlier: messages.slice(0, from), candidates: messages.slice(from) };
}

/** True if the request's last message alone can be new: what was said before decides nothing but the seed. */
export function addsLastAlone(messages: readonly Message[]): boolean {
  return splitAtLastAnswer(messages).candidates.length === 1;
}

/** True if the rule must look at the session: most requests of chat clients are one message long. */
export function needsSession(messages: readonly Message[]): boolean {
  return messages.length > 1;
}

/**
 * What is new in a request. Clients resend their history, so the new input is what follows the last
 * answer that the request shows, less the longest beginning that equals, in order, the inputs of the
 * session's turns since that answer; the last message is always new, since people repeat themselves.
 * Earlier messages seed a session that has no transcript.
 */
export function newInput(messages: readonly Message[], session: KnownSession): NewInput {
  const { earlier, candidates } = splitAtLastAnswer(messages);
  const answer = earlier.findLast(isAssistant);
  const { unheard, told } = withoutToldSystem(candidates, session);
  const said = turnsSince(answer, session.turns)
    .flatMap((turn) => turn.input)
    .filter((message) => !told.some((known) => sameMessage(known, message)));
  const known = unheard.length === 1 ? 0 : longestKnownPrefix(unheard, said);
  // Instructions that stand here are to be said, whoever said them before.
  const resent = unheard.slice(0, known).every(isSystem) ? 0 : known;
  return {
    seed: session.isEmpty ? earlier : [],
    input: unheard.slice(Math.min(resent, unheard.length - 1)),
  };
}

/**
 * A client that sends its instructions each time has said them once, until the session is told others: then it
 * goes on by those, and must be told again.
 */
function withoutToldSystem(
  candidates: readonly Message[],
  { turns, systemMessages }: KnownSession,
): { readonly unheard: readonly Message[]; readonly told: readonly Message[] } {
  const coming = turns.filter(({ isFinished }) => !isFinished).flatMap(({ input }) => input);
  const instructions = [...coming.filter(isSystem).toReversed(), ...systemMessages];
  const [current] = instructions;
  const lastSystem = candidates.findLastIndex(isSystem);
  const isTold = (message: Message, index: number): boolean =>
    index < candidates.length - 1 &&
    isSystem(message) &&
    instructions.some((known) => sameMessage(known, message)) &&
    (index !== lastSystem || current === undefined || sameMessage(current, message));
  return {
    unheard: candidates.filter((message, index) => !isTold(message, index)),
    told: candidates.filter(isTold),
  };
}

function isSystem({ role }: Message): boolean {
  return role === Role.SYSTEM;
}

/**
 * The turns that came after the turn which gave this answer. Where none of the known turns gave it (it
 * was edited, or the client shows no answer), of the finished turns only the last can be meant.
 */
function turnsSince(
  answer: Message | undefined,
  turns: readonly KnownTurn[],
): readonly KnownTurn[] {
  if (answer !== undefined) {
    const text = textOf(answer).trim();
    const gave = turns.findLastIndex((turn) => turn.replyText?.trim() === text);
    if (gave >= 0) return turns.slice(gave + 1);
  }
  const firstOpen = turns.findIndex((turn) => !turn.isFinished);
  const open = firstOpen < 0 ? turns.length : firstOpen;
  return turns.slice(Math.max(0, open - 1));
}

/** The length of the longest beginning of `messages` that stands somewhere in `said`, in one piece. */
function longestKnownPrefix(messages: readonly Message[], said: readonly Message[]): number {
  let longest = 0;
  for (let start = 0; start < said.length; start++) {
    longest = Math.max(longest, commonLength(messages, said.slice(start)));
  }
  return longest;
}

function commonLength(a: readonly Message[], b: readonly Message[]): number {
  let length = 0;
  for (const [index, message] of a.entries()) {
    const other = b[index];
    if (other === undefined || !sameMessage(message, other)) break;
    length += 1;
  }
  return length;
}
