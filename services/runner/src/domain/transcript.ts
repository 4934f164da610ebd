import type { Message } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import type { Ending } from "./ending.ts";

/** A message that an ending adds to the transcript. */
export interface Told {
  readonly message: Message;
  /** Who said it; empty for the agent's own. */
  readonly principal: string;
}

/** What an ending adds to the transcript, in order: seed, input, what the agent and its tools said. */
export function toldBy(
  turn: {
    readonly principal: string;
    readonly seed: readonly Message[];
    readonly input: readonly Message[];
  },
  ending: Pick<Ending, "keepsInput" | "seeds" | "produced">,
): Told[] {
  if (!ending.keepsInput) return [];
  const seed = ending.seeds ? turn.seed : [];
  return [...seed, ...turn.input, ...ending.produced].map((message) => ({
    message,
    principal: message.role === Role.ASSISTANT ? "" : turn.principal,
  }));
}
