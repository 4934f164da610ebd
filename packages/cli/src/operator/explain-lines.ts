import type { ExplainKeyResponse } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import type { KeyBinding, Peer, RuleStep } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { fromStatus, LanekeeperError } from "@lanekeeper/rpc";
import { journalLine, rotationLine, sessionLine, time } from "./session-lines.ts";

/** The whole story of a name. */
export function explainLines(answer: ExplainKeyResponse): string[] {
  const { steps, refusal } = answer;
  return [
    "rules:",
    ...steps.map(stepLine),
    ...(refusal === undefined ? [] : [`a call with this name is refused: ${refusal.message}`]),
    ...(isOutOfBounds(refusal) ? [UNTOLD] : foundLines(answer)),
  ];
}

/** An answer without a story is no word that there is none. */
const UNTOLD =
  "whether it was seen, and what stands there, is not told to a key that is bound elsewhere";

function isOutOfBounds(refusal: ExplainKeyResponse["refusal"]): boolean {
  if (refusal === undefined) return false;
  const error = fromStatus(refusal);
  return error instanceof LanekeeperError && error.metadata["bound_by"] !== undefined;
}

function foundLines(answer: ExplainKeyResponse): string[] {
  const { binding, equivalences, session, rotations, journal } = answer;
  return [
    ...(binding === undefined ? ["never seen"] : bindingLines(binding)),
    ...equivalences.map(
      (one) => `${peerText(one.peer)} and ${peerText(one.sameAs)} are one, by ${one.source}`,
    ),
    ...(session === undefined ? ["no session"] : ["session:", `  ${sessionLine(session)}`]),
    ...section("generations, newest first:", rotations.map(rotationLine)),
    ...olderRotations(answer),
    ...section("decisions, newest first:", journal.map(journalLine)),
    ...olderDecisions(answer),
  ];
}

/** The service's own bound, `maxExplainRotations`. */
const MAX_ROTATIONS = 50;

/** The first generation of a key is 1: what led to it is no rotation. */
function olderRotations({ rotations }: ExplainKeyResponse): string[] {
  const oldest = rotations.at(-1);
  if (rotations.length < MAX_ROTATIONS || oldest?.previous?.generation === 1n) return [];
  return [`  and older ones: "lanekeeper sessions rotations ${oldest?.current?.sessionKey}"`];
}

function olderDecisions({ journal, nextPageToken }: ExplainKeyResponse): string[] {
  if (nextPageToken === "") return [];
  return [`  and older ones: "lanekeeper sessions journal ${journal.at(-1)?.sessionKey}"`];
}

function stepLine({ rule, before, after }: RuleStep): string {
  const change =
    before === after ? "nothing to do" : `${JSON.stringify(before)} → ${JSON.stringify(after)}`;
  return `  ${rule}: ${change}`;
}

function bindingLines(binding: KeyBinding): string[] {
  const { sessionKey, aliasOf, source, firstSeenTime, ruleSetVersion } = binding;
  const alias = aliasOf === "" ? "" : `, an alias of ${aliasOf}`;
  return [
    `leads to ${sessionKey}${alias}`,
    `  bound ${time(firstSeenTime)} by ${source}, rule set ${ruleSetVersion}`,
  ];
}

function peerText(peer: Peer | undefined): string {
  return [peer?.channel, peer?.accountId, peer?.peerId].filter(Boolean).join(":");
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
}
