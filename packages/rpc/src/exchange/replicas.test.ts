import { expect, test } from "vitest";
import { findReplicas } from "./replicas.ts";

test.each([
  ["10.0.0.1:7101,10.0.0.2:7101", ["10.0.0.1:7101", "10.0.0.2:7101"]],
  ["[::1]:7101,[::2]:7101", ["[::1]:7101", "[::2]:7101"]],
  ["127.0.0.1:7101", ["127.0.0.1:7101"]],
  ["dns:///127.0.0.1:7101", ["dns:///127.0.0.1:7101"]],
  ["[::1]:7101", ["[::1]:7101"]],
  ["unix:/run/lk.sock", ["unix:/run/lk.sock"]],
])("%s is %j", async (target, addresses) => {
  expect(await findReplicas(target)).toEqual({ addresses, serverName: undefined });
});

test.each(["localhost:7101", "dns:///localhost:7101", "dns:localhost:7101"])(
  "the name in %s is looked up, and kept for TLS",
  async (target) => {
    const { addresses, serverName } = await findReplicas(target);
    expect(serverName).toBe("localhost");
    for (const address of addresses) expect(["127.0.0.1:7101", "[::1]:7101"]).toContain(address);
  },
);
