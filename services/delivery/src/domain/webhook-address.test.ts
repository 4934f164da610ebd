import { expect, test } from "vitest";
import { parseWebhookAddress } from "./webhook-address.ts";

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
