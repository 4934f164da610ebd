import { Attached, type Submit, turnFor } from "./requests.ts";
import type { Replica, World } from "./world.ts";

/** A person's turn, to its end. Gives its id. */
export async function say(
  world: World,
  replica: Replica,
  text: string,
  more: Submit & { key?: string } = {},
): Promise<string> {
  const turn = new Attached(replica, { submit: turnFor(world, text, more) });
  await turn.ended;
  return turn.turnId;
}
