import type { Outcome } from "@lanekeeper/adapter-kit";
import type { SessionRef } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { dispositionWord } from "../../turns/disposition.ts";
import type { ChannelAnswer } from "../adapter.ts";

/** What a program is told of its event. @throws the refusal, whose status says why */
export function answerOf(outcome: Outcome): ChannelAnswer {
  switch (outcome.kind) {
    case "turn": {
      const { turnId, session, disposition, position, route } = outcome;
      const to = route && { route_id: route.routeId, signing_secret: route.signingSecret };
      const word = dispositionWord(disposition);
      const body = { turn_id: turnId, disposition: word, position, ...sessionOf(session), ...to };
      return { status: 202, body };
    }
    case "command": {
      const { command, session, text } = outcome;
      return { status: 200, body: { command, text, ...sessionOf(session) } };
    }
    case "refused":
      throw outcome.error;
    case "ignored":
    case "same-peer":
      return { status: 200, body: {} };
  }
}

function sessionOf(session: SessionRef | undefined): object {
  if (session === undefined) return {};
  const { sessionKey, sessionId, generation } = session;
  return { session: { key: sessionKey, id: sessionId, generation: Number(generation) } };
}
