import { parseIncompletePhoneNumber, parsePhoneNumberFromString } from "libphonenumber-js/min";

/** ITU-T E.164: a plus sign and at most 15 digits, of which the first is not 0. */
const E164 = /^\+[1-9][0-9]{1,14}$/;

/** Digits and what people put between them; no letters, so no extension and no `tel:`. */
const WRITTEN_NUMBER = /^\+[\p{Nd}\p{Zs}\p{Pd}().\u2212/]+$/u;

/** "+44 (0)20 …": the writer marks a zero that is dialled inside the country only. */
const TRUNK_ZERO = /\(0\)/;

export function isPhone(id: string): boolean {
  return E164.test(id);
}

/**
 * A phone number in E.164, or undefined for what is none. It must be international, since nothing
 * here knows which country a national number belongs to.
 *
 * The library decides whether the text is a number under a calling code that exists. The digits
 * stay as written: the library's own answer drops or adds national prefixes by patterns that change
 * with its metadata (`+993 8579…` becomes `+993 579…`), which would make two people one on the day
 * a country assigns those numbers. Only a zero in brackets asks for that knowledge: it goes in
 * Britain and stays in Italy.
 */
export function phone(text: string): string | undefined {
  if (!WRITTEN_NUMBER.test(text)) return undefined;
  const parsed = parsePhoneNumberFromString(text, { extract: false });
  if (parsed === undefined) return undefined;
  const number = TRUNK_ZERO.test(text) ? parsed.number : parseIncompletePhoneNumber(text);
  return isPhone(number) ? number : undefined;
}
