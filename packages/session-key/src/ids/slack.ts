import { upperAscii } from "../text.ts";
import type { PeerKind, SpellId } from "./spelling.ts";

/** The first letter outlives changes of the conversation: a channel made private keeps its `C…`. */
const KIND_BY_LETTER: ReadonlyMap<string, PeerKind> = new Map([
  ["C", "channel"],
  ["G", "channel"],
  ["D", "direct"],
  ["U", "direct"],
  ["W", "direct"],
]);

export const slackId: SpellId = (given) => {
  const id = upperAscii(given.id);
  return { ...given, id, kind: KIND_BY_LETTER.get(id.charAt(0)) ?? given.kind };
};
