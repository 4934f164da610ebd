import { phone } from "./phone.ts";
import { byText, groupsAsIs } from "./spelling.ts";

/** Short codes have 3 to 8 digits, by country. */
const SHORT_CODE = /^[0-9]{3,8}$/;

/** GSM 03.40 gives an alphanumeric sender 11 characters; one letter sets it apart from a number. */
const ALPHANUMERIC_SENDER = /^(?=.*[A-Za-z])[A-Za-z0-9 &._-][A-Za-z0-9 &._+-]{0,10}$/;

export const smsId = groupsAsIs(
  byText("a phone number with +, a short code or an alphanumeric sender", (text) =>
    SHORT_CODE.test(text) || ALPHANUMERIC_SENDER.test(text) ? text : phone(text),
  ),
);

export const voiceId = groupsAsIs(byText("a phone number with +", phone));
