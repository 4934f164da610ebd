import { isPhone } from "./phone.ts";
import type { SpelledId, SpellId } from "./spelling.ts";

/** `<number>[:<device>]`, with a server or without; a number may be written with spaces and dashes. */
const USER = /^\+?([0-9\p{Zs}\p{Pd}]+)(?::[0-9]+)?$/u;
const USER_SERVER = /@(?:s\.whatsapp\.net|c\.us)$/;
const LID = /^([0-9]+)(?::[0-9]+)?@lid$/;
const GROUP = /.@g\.us$/;

/** A LID is a name of its own, no phone number; an adapter that learns the number links the two. */
export const whatsappId: SpellId = (given) => {
  const lid = LID.exec(given.id)?.[1];
  if (lid !== undefined) return { ...given, id: `${lid}@lid`, kind: "direct" };
  if (GROUP.test(given.id)) return { ...given, kind: "group" };
  if (!USER_SERVER.test(given.id) && given.kind !== "direct") return given;
  return user(given);
};

function user(given: SpelledId) {
  const written = USER.exec(given.id.replace(USER_SERVER, ""))?.[1] ?? "";
  const id = written.replace(/[^0-9]+/g, "");
  return isPhone(`+${id}`)
    ? { ...given, id, kind: "direct" as const }
    : { expected: "a user's number, or a JID of a user, a LID or a group" };
}

/** The phone number that a user's digits are; a LID or a group has none. */
export function whatsappPhone(id: string): string | undefined {
  const number = `+${id}`;
  return isPhone(number) ? number : undefined;
}
