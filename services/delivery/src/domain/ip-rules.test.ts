import { expect, test } from "vitest";
import { FORBIDDEN_ADDRESSES } from "../testing/forbidden-addresses.ts";
import { addressProblem, parseNetwork } from "./ip-rules.ts";
import { parseWebhookAddress } from "./webhook-address.ts";

test.each([...FORBIDDEN_ADDRESSES, ["", "nothing"] as const, ["example.com", "a name"] as const])(
  "%s (%s) is refused",
  (address) => {
    expect(addressProblem(address, [])).toBeTypeOf("string");
  },
);

test.each(["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111"])(
  "%s may be posted to",
  (address) => {
    expect(addressProblem(address, [])).toBeUndefined();
  },
);

test("an allowed network lets its own addresses through and no others", () => {
  const allowed = ["127.0.0.0/8", "fd00::/8"].map((text) => parseNetwork(text) ?? fail());
  expect(addressProblem("127.0.0.1", allowed)).toBeUndefined();
  expect(addressProblem("fd12::1", allowed)).toBeUndefined();
  expect(addressProblem("10.0.0.1", allowed)).toBe("is not public (private)");
  expect(addressProblem("::ffff:127.0.0.1", allowed)).toBe("is IPv4 inside IPv6");
});

test.each(["", "localhost", "10.0.0.0/33", "10.0.0.0/", "/8", "10.0.0.0/8 "])(
  "%j is no network",
  (text) => {
    expect(parseNetwork(text)).toBeUndefined();
  },
);

test.each([
  ["ftp://hooks.example/", "is no http or https URL"],
  ["file:///etc/passwd", "is no http or https URL"],
  ["hooks.example", "is no URL"],
  ["https://user@hooks.example/", "has a user or a password"],
  ["https://:secret@hooks.example/", "has a user or a password"],
  ["https://hooks.example/\n", "has white space or control characters"],
  ["http://127.0.0.1/", "127.0.0.1 is not public (loopback)"],
  ["http://2130706433/", "127.0.0.1 is not public (loopback)"],
  ["http://0x7f.1/", "127.0.0.1 is not public (loopback)"],
  ["http://0177.0.0.1/", "127.0.0.1 is not public (loopback)"],
  ["http://127.0.0.1./", "127.0.0.1 is not public (loopback)"],
  ["http://①②⑦.0.0.1/", "127.0.0.1 is not public (loopback)"],
  ["http://[::1]:8080/", "::1 is not public (loopback)"],
  ["http://[::ffff:10.0.0.1]/", "::ffff:a00:1 is IPv4 inside IPv6"],
  [`https://hooks.example/${"a".repeat(2_048)}`, "may have 2048 bytes"],
])("%s is no address of a webhook", (text, problem) => {
  expect(parseWebhookAddress(text, [], 2_048)).toEqual({ problem });
});

test("an address is kept as it was given", () => {
  const text = "HTTPS://Hooks.example:8443/a?b=c";
  expect(parseWebhookAddress(text, [], 2_048)).toBe(text);
});

function fail(): never {
  throw new Error("no network");
}
