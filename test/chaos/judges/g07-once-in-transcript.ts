import { createHash } from "node:crypto";
import { groupBy } from "../history/history.ts";
import type { FinalTurn, Sights } from "../history/sights.ts";
import { Case, type Judge } from "./judge.ts";
import { chainOf } from "./nonce.ts";

/** What the model hashes: all that it was shown, in order. */
export function chainHash(shown: readonly string[]): string {
  const hash = createHash("sha256");
  for (const line of shown) hash.update(`${line.length}:${line}`);
  return hash.digest("hex").slice(0, 24);
}

/** A reply is committed at most once per turn, and is the answer to all that was committed before it. */
export const onceInTranscript: Judge = (history) => {
  const about = new Case("G7", "committed replies found once, made of what stands before them");
  const messages = history.values("finalMessage");
  const turns = new Map(history.values("finalTurn").map((turn) => [turn.turnId, turn]));
  for (const session of groupBy(messages, (one) => `${one.tenant} ${one.sessionId}`).values()) {
    judgeSession(about, session);
  }
  const replies = messages.filter(({ role, text }) => role === "assistant" && isReply(text));
  const steers = groupBy([...turns.values()].filter(isSteered), ({ intoTurnId }) => intoTurnId);
  for (const [turnId, all] of groupBy(replies, (one) => one.turnId)) {
    judgeTurn(about, turns.get(turnId), all, steers.get(turnId)?.length ?? 0);
  }
  const committed = new Set(replies.map(({ turnId }) => turnId));
  for (const turn of turns.values()) {
    if (turn.state !== "COMPLETED" || turn.key === "" || committed.has(turn.turnId)) continue;
    if (messages.length > 0) about.find(turn.key, 0, `${turn.turnId} is completed without a reply`);
  }
  return about.verdict;
};

type Message = Sights["finalMessage"];

function isReply(text: string): boolean {
  return chainOf(text) !== undefined;
}

function isSteered({ onConflict, state }: FinalTurn): boolean {
  return onConflict === "STEER" && state === "COALESCED";
}

/** A turn that was spoken to while its model answered says something more to each message. */
function judgeTurn(
  about: Case,
  turn: FinalTurn | undefined,
  all: readonly Message[],
  steers: number,
): void {
  const key = all[0]?.key ?? "";
  if (all.length > 1 + steers)
    about.find(key, 0, `${all.length} replies of the turn ${all[0]?.turnId}`);
  else about.count();
  if (turn !== undefined && turn.state !== "COMPLETED") {
    about.find(
      key,
      0,
      `the turn ${turn.turnId} is ${turn.state} and has a reply in the transcript`,
    );
  }
}

/** The reply's hash is that of the whole transcript before it. Calls of tools are shown in more than text. */
function judgeSession(about: Case, session: readonly Message[]): void {
  if (session.some(({ role }) => role === "tool")) return;
  const before: string[] = [];
  for (const { role, text, key, turnId } of session) {
    const chain = role === "assistant" ? chainOf(text) : undefined;
    if (chain !== undefined && chain !== chainHash(before)) {
      about.find(
        key,
        0,
        `the reply of ${turnId} was not made of the ${before.length} messages before it`,
      );
    }
    before.push(`${role}: ${text}`);
  }
}
