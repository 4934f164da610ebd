import fc from "fast-check";
import { getCountries, getCountryCallingCode } from "libphonenumber-js/min";
import { describe, expect, it } from "vitest";
import { anyText, SEARCH } from "../arbitraries.test-support.ts";
import { mailAddress } from "./mail-address.ts";
import { isPhone, phone } from "./phone.ts";

const callingCodes = [...new Set(getCountries().map((country) => getCountryCallingCode(country)))];
const digits = fc.stringMatching(/^[0-9]{2,12}$/);
const written = fc
  .tuple(fc.constantFrom(...callingCodes), fc.constantFrom("", " ", "(0)", " (0) ", "-0"), digits)
  .map((parts) => `+${parts.join("")}`);

describe("phone, over any text", () => {
  it("never throws, gives E.164 and gives its own output back", () => {
    fc.assert(
      fc.property(fc.oneof(written, anyText), (text) => {
        const number = phone(text);
        if (number === undefined) return;
        expect(isPhone(number)).toBe(true);
        expect(phone(number)).toBe(number);
      }),
      SEARCH,
    );
  });

  it("keeps two numbers of any country apart, leading zeros and all", () => {
    fc.assert(
      fc.property(fc.constantFrom(...callingCodes), digits, (code, national) => {
        const number = phone(`+${code}${national}`);
        expect(number ?? `+${code}${national}`).toBe(`+${code}${national}`);
      }),
      SEARCH,
    );
  });
});

describe("mailAddress, over any text", () => {
  it("never throws, keeps the local part and gives its own output back", () => {
    const text = fc.oneof(
      anyText,
      fc.tuple(anyText, anyText).map(([local, domain]) => `${local}@${domain}`),
      fc.tuple(anyText, fc.domain()).map(([local, domain]) => `${local}@${domain}`),
    );
    fc.assert(
      fc.property(text, (given) => {
        const address = mailAddress(given);
        if (address === undefined) return;
        expect(mailAddress(address)).toBe(address);
        const at = address.lastIndexOf("@");
        expect(address.slice(0, at)).toBe(given.slice(0, given.lastIndexOf("@")));
      }),
      SEARCH,
    );
  });
});
