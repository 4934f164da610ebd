import type { IdentityClient } from "@lanekeeper/client";
import type { WatchSessionsResponse } from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import { type CallContext, storeUnavailable } from "@lanekeeper/rpc";
import type { Clock } from "@lanekeeper/service";
import type { Limits } from "../limits.ts";
import { PatientPlace } from "./patient-place.ts";
import type { Turnstile } from "@lanekeeper/service";
import { type Told, toldSession } from "./told.ts";
import type { WatchQuestion } from "./watch-filter.ts";

/** A place in session-identity's history. */
export interface Place {
  readonly token: string;
  readonly position: bigint;
}

/** What a subscriber reads at session-identity before it is told by the feed. */
export interface SessionReads {
  readonly identity: Pick<IdentityClient, "watchSessions">;
  /** Many who come at once must not keep session-identity from its turns. */
  readonly turnstile: Turnstile;
  readonly clock: Pick<Clock, "monotonicMs" | "setTimer">;
  /** Nor must one who reads slowly keep the others from theirs. */
  readonly limits: Pick<Limits, "readerPatienceMs">;
}

/** What stands now, or what changed since a token; ends with the place up to which it told. */
export function readToNow(
  reads: SessionReads,
  question: WatchQuestion,
  resumeToken: string,
  call: CallContext,
): AsyncGenerator<Told, Place> {
  return read(reads, { ...question, resumeToken, stopWhenTold: true }, call);
}

/** What changed between two tokens. */
export async function* readBetween(
  reads: SessionReads,
  question: WatchQuestion,
  { token: resumeToken }: Pick<Place, "token">,
  untilToken: string,
  call: CallContext,
): AsyncGenerator<Told> {
  if (resumeToken === untilToken) return;
  for await (const told of read(reads, { ...question, resumeToken, untilToken }, call)) {
    if (told.message.event?.event.case !== "bookmark") yield told;
  }
}

async function* read(
  { identity, turnstile, clock, limits }: SessionReads,
  request: Parameters<IdentityClient["watchSessions"]>[0],
  call: CallContext,
): AsyncGenerator<Told, Place> {
  const place = new PatientPlace({ turnstile, clock, patienceMs: limits.readerPatienceMs });
  try {
    await place.take(call.signal);
    let last: WatchSessionsResponse | undefined;
    for await (const message of identity.watchSessions(request, { parent: call })) {
      last = message;
      const isBack = place.lend();
      yield toldSession(message);
      isBack();
      await place.take(call.signal);
    }
    if (last?.isBoundary !== true) {
      throw storeUnavailable("session-identity ended too soon", undefined, "session-identity");
    }
    return { token: last.resumeToken, position: last.position };
  } finally {
    place.leave();
  }
}
