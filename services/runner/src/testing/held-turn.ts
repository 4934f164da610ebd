import { eventually } from "@lanekeeper/testing";
import { type Behaviour, heldAnswer } from "./model-double.ts";
import { Attached, turnFor } from "./requests.ts";
import type { Replica, World } from "./world.ts";

const NEVER = new Promise<void>(() => undefined);

/** Begins to answer, and never ends. */
export const endless: Behaviour = heldAnswer(NEVER);

/** Answers without being held. */
export const answersAtOnce = (text: string): Behaviour => heldAnswer(Promise.resolve(), text);

/** A turn, "one" unless told otherwise, whose model has begun to answer and never ends. */
export async function heldTurn(
  world: World,
  replica: Replica,
  overrides: Parameters<typeof turnFor>[2] = {},
): Promise<Attached> {
  world.model.behaviour = endless;
  const attached = new Attached(replica, { submit: turnFor(world, "one", overrides) });
  await eventually(() => attached.kinds.includes("textDelta"));
  return attached;
}
