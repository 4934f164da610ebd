import { lowerAscii } from "../text.ts";
import { mailAddress } from "./mail-address.ts";
import { phone } from "./phone.ts";
import type { SpellId } from "./spelling.ts";

/** `<service>;-;<handle>` for a person, `<service>;+;<guid>` for a group. */
const PREFIX = /^(?:imessage|sms|rcs|any);([-+]);/i;

/** The service says how a message travels, not who the peer is: it is dropped. */
export const imessageId: SpellId = (given) => {
  const prefix = PREFIX.exec(given.id);
  const bare = prefix ? given.id.slice(prefix[0].length) : given.id;
  const kind = prefix ? (prefix[1] === "-" ? "direct" : "group") : given.kind;
  if (PREFIX.test(bare)) return { expected: "one service prefix, not two" };
  if (kind !== "direct") return { ...given, id: bare, kind };
  const id = handle(bare);
  return id === undefined
    ? { expected: "a phone number or a mail address" }
    : { ...given, id, kind };
};

function handle(text: string): string | undefined {
  return text.includes("@") ? mailAddress(lowerAscii(text)) : phone(text);
}
