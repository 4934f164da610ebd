import { expect, test } from "vitest";
import { parsePostmasterPid } from "./postmaster-pid.ts";

test("a complete lock file is read", () => {
  const text =
    "6985\n/data/cluster\n1795203355\n54999\n\n127.0.0.1\n  2146328         4\nready   \n";
  expect(parsePostmasterPid(text)).toEqual({
    pid: 6985,
    startedAtSeconds: 1_795_203_355,
    status: "ready",
  });
});

test("a lock file of a start that has just begun has no status", () => {
  expect(parsePostmasterPid("6985\n/data/cluster\n1795203355\n54999\n\n")?.status).toBeUndefined();
});

test("a single-user server's negative pid is its pid", () => {
  expect(parsePostmasterPid("-12\n/data\n1\n")?.pid).toBe(12);
});

test.each(["", "\n\n", "no pid\n", "0\n"])("%j is no lock file", (text) => {
  expect(parsePostmasterPid(text)).toBeUndefined();
});
