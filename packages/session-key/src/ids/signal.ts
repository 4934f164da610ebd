import { lowerAscii } from "../text.ts";
import { phone } from "./phone.ts";
import { byText, groupsAsIs } from "./spelling.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Group ids are case-sensitive base64. */
export const signalId = groupsAsIs(
  byText("a phone number or an account id (UUID)", (text) =>
    UUID.test(text) ? lowerAscii(text) : phone(text),
  ),
);
