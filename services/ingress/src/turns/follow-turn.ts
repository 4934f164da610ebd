import type { TurnEnded } from "@lanekeeper/protocol/lanekeeper/runner/v1/runner_service";
import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import {
  type AttachCall,
  type AttachTarget,
  type Attaching,
  attachTurn,
  type TurnEvent,
} from "./attach-turn.ts";

/**
 * Hosts that a turn is followed into: a host is never coalesced or steered itself once it runs, so
 * one is the rule, and the bound only ends what cannot happen.
 */
const MAX_HOSTS = 4;

/**
 * The events of a turn and, where it ended as a part of another without bringing that one's answer
 * along, the events of its host. `accepted` is the turn's own, `ended` the last one's.
 */
export async function* followTurn(
  deps: Attaching,
  target: AttachTarget,
  call: AttachCall,
): AsyncGenerator<TurnEvent, void> {
  let next: AttachTarget | undefined = target;
  for (let hosts = 0; next !== undefined; hosts++) {
    const events: AsyncGenerator<TurnEvent, void> = attachTurn(deps, next, call);
    next = undefined;
    for await (const event of events) {
      const host = event.case === "ended" && hosts < MAX_HOSTS ? hostOf(event.value) : undefined;
      if (host !== undefined) next = { case: "turnId", value: host };
      else if (event.case !== "accepted" || hosts === 0) yield event;
    }
  }
}

/** The events of a turn from where a call that waited for it has left off. */
export async function* followOn(
  deps: Attaching,
  turnId: string,
  ended: TurnEnded | undefined,
  call: AttachCall,
): AsyncGenerator<TurnEvent, void> {
  const next = ended === undefined ? turnId : hostOf(ended);
  if (next === undefined) {
    yield { case: "ended", value: ended as TurnEnded };
    return;
  }
  for await (const event of followTurn(deps, { case: "turnId", value: next }, call)) {
    if (event.case !== "accepted") yield event;
  }
}

/** The turn that answers in the place of one that became a part of it; undefined: the end says all. */
export function hostOf(ended: TurnEnded): string | undefined {
  const isPart = ended.state === TurnState.COALESCED && ended.reply === undefined;
  return isPart && ended.intoTurnId !== "" ? ended.intoTurnId : undefined;
}
