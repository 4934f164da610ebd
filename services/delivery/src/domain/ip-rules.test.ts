import { expect, test } from "vitest";
import { addressProblem, parseNetwork } from "./ip-rules.ts";
import { parseWebhookAddress } from "./webhook-address.ts";

test.each([
  ["0.0.0.0", "unspecified"],
  ["0.1.2.3", "this network"],
  ["10.0.0.1", "private"],
  ["100.64.0.1", "CGNAT"],
  ["100.100.100.200", "Alibaba Cloud's metadata"],
  ["127.0.0.1", "loopback"],
  ["127.255.255.254", "loopback"],
  ["168.63.129.16", "Azure's wire server"],
  ["169.254.169.254", "metadata of most clouds"],
  ["172.16.0.1", "private"],
  ["172.31.255.255", "private"],
  ["192.0.0.192", "Oracle's metadata"],
  ["192.0.2.1", "documentation"],
  ["192.168.1.1", "private"],
  ["198.18.0.1", "benchmarks"],
  ["224.0.0.1", "multicast"],
  ["240.0.0.1", "reserved"],
  ["255.255.255.255", "broadcast"],
  ["::", "unspecified"],
  ["::1", "loopback"],
  ["::7f00:1", "IPv4-compatible loopback"],
  ["::ffff:127.0.0.1", "v4-mapped loopback"],
  ["::ffff:7f00:1", "v4-mapped loopback in hex"],
  ["::ffff:8.8.8.8", "v4-mapped public"],
  ["::ffff:0:10.0.0.1", "v4-translated"],
  ["64:ff9b::a00:1", "NAT64 of 10.0.0.1"],
  ["64:ff9b:1::a00:1", "local NAT64"],
  ["100::1", "discard"],
  ["2001::1", "Teredo"],
  ["2001:db8::1", "documentation"],
  ["2002:7f00:1::", "6to4 of loopback"],
  ["5f00::1", "segment routing"],
  ["4000::1", "unassigned"],
  ["fc00::1", "unique local"],
  ["fd00:ec2::254", "AWS's metadata over IPv6"],
  ["fe80::1", "link-local"],
  ["fe80::1%eth0", "link-local with a zone"],
  ["fec0::1", "site-local"],
  ["ff02::1", "multicast"],
  ["", "nothing"],
  ["example.com", "a name"],
])("%s (%s) is refused", (address) => {
  expect(addressProblem(address, [])).toBeTypeOf("string");
});

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
