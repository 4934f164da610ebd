import { expect, test } from "vitest";
import { FORBIDDEN_ADDRESSES } from "./testing.ts";
import { addressProblem, parseNetwork } from "./ip-rules.ts";

test.each([...FORBIDDEN_ADDRESSES, ["", "nothing"] as const, ["example.com", "a name"] as const])(
  "%s (%s) is refused",
  (address) => {
    expect(addressProblem(address, [])).toBeTypeOf("string");
  },
);

test.each(["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111"])(
  "%s may be reached",
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

function fail(): never {
  throw new Error("no network");
}
