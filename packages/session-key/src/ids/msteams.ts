import type { SpellId } from "./spelling.ts";

/** Teams writes the root message of a thread into the conversation id. */
const MESSAGE_ID = /;messageid=([0-9]+)$/;

export const msteamsId: SpellId = (given) => {
  const found = MESSAGE_ID.exec(given.id);
  if (!found) return given;
  const id = given.id.slice(0, found.index);
  if (MESSAGE_ID.test(id)) return { expected: "one ;messageid=, not two" };
  if (given.thread !== undefined && given.thread !== found[1]) {
    return { expected: "one thread: ;messageid= and the thread given beside it differ" };
  }
  return { ...given, id, thread: found[1] };
};
