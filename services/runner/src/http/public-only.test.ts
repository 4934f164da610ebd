import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { lookup as dnsLookup } from "node:dns";
import { FORBIDDEN_ADDRESSES } from "@lanekeeper/addresses/testing";
import { parseNetwork } from "@lanekeeper/addresses";
import { isIPv6 } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { NotPublicError, publicOnlyFetch } from "./public-only.ts";

/** Names lead where the test says. */
const leadsTo = (...addresses: string[]) =>
  ((_hostname: string, _options: object, callback: (error: null, found: object[]) => void) => {
    const family = (address: string) => (isIPv6(address) ? 6 : 4);
    callback(
      null,
      addresses.map((address) => ({ address, family: family(address) })),
    );
  }) as unknown as typeof dnsLookup;

const LOOPBACK = [parseNetwork("127.0.0.0/8") ?? fail()];

async function listening(): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((req, res) => {
    asked.push(req.headers.host ?? "");
    res.end("here");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, asked };
}

test("a name that leads to public addresses is called there, under its name", async () => {
  const { port, asked } = await listening();
  const fetch = publicOnlyFetch(LOOPBACK, leadsTo("127.0.0.1"));
  const response = await fetch(`http://models.example:${port}/v1`, { method: "POST", body: "{}" });
  expect(await response.text()).toBe("here");
  expect(asked).toEqual([`models.example:${port}`]);
});

test.each(FORBIDDEN_ADDRESSES.filter(([address]) => !address.includes("%")))(
  "neither %s (%s) nor a name that leads there is called",
  async (address) => {
    const host = isIPv6(address) ? `[${address}]` : address;
    const refusal = "leads to an address that is not public";
    await expect(publicOnlyFetch()(`http://${host}:8080/`)).rejects.toThrow(refusal);
    const byName = publicOnlyFetch(
      [],
      leadsTo("203.0.114.7", address),
    )("http://models.example:8080/");
    await expect(byName).rejects.toThrow(NotPublicError);
    await expect(byName).rejects.not.toThrow(address);
  },
);

test("one address that is not public spoils the name's others", async () => {
  const { port, asked } = await listening();
  const fetch = publicOnlyFetch(LOOPBACK, leadsTo("127.0.0.1", "10.0.0.1"));
  await expect(fetch(`http://models.example:${port}/`)).rejects.toThrow(NotPublicError);
  expect(asked).toEqual([]);
});

test("who cannot be reached is told as ever", async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const refused = publicOnlyFetch(LOOPBACK, leadsTo("127.0.0.1"))(`http://models.example:${port}/`);
  await expect(refused).rejects.toMatchObject({ cause: { code: "ECONNREFUSED" } });
});

function fail(): never {
  throw new Error("no network");
}
