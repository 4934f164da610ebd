import { expect, test } from "vitest";
import type { Authenticator } from "./auth/authenticator.ts";
import { isServiceName } from "./auth/peer.ts";
import { unauthenticated } from "./errors/constructors.ts";
import { createAuthority, createIdentity } from "./testing/certificate.ts";
import { echoClient, failure, startEcho } from "./testing/echo.ts";
import { framingClient, startExchange, untilFramed } from "./testing/exchange-echo.ts";

const authority = createAuthority("test root");
const ca = authority.cert;
const atServer = createIdentity(authority, "session-identity");

test("a client that trusts the root is served, one that does not is not", async () => {
  const service = await startEcho({ tls: atServer });
  const target = `localhost:${service.server.port}`;
  const client = echoClient(target, { tls: { ca }, retry: { maxAttempts: 1 } });
  expect((await client.echo({ text: "sealed" })).text).toBe("sealed");
  const other = createAuthority("another root").cert;
  for (const tls of [{ ca: other }, undefined]) {
    const stranger = echoClient(target, {
      ...(tls === undefined ? {} : { tls }),
      retry: { maxAttempts: 1 },
    });
    expect(await failure(stranger.echo({}))).toMatchObject({ codeName: "UNAVAILABLE" });
  }
});

/** The peer's name in its certificate takes the token's place. */
const byCertificate: Authenticator = {
  authenticate: ({ certificate }) => {
    const service = String(certificate()?.subject.CN);
    if (!isServiceName(service)) throw unauthenticated(`${service} is no service`);
    return { kind: "service", service };
  },
};

test("with mutual TLS the certificate says which service calls", async () => {
  const { server, reports } = await startEcho({
    tls: { ...atServer, ca, requireClientCertificate: true },
    authenticator: byCertificate,
  });
  const target = `localhost:${server.port}`;
  const credential = { authorization: "" };
  const as = (name: string) =>
    echoClient(target, {
      credential,
      tls: { ca, ...createIdentity(authority, name) },
      retry: { maxAttempts: 1 },
    });
  expect((await as("runner").shout({ text: "a" })).text).toBe("A");
  expect(await failure(as("ingress").shout({}))).toMatchObject({ reason: "PERMISSION_DENIED" });
  expect(await failure(as("nobody").shout({}))).toMatchObject({ reason: "UNAUTHENTICATED" });
  expect(reports.map(({ peer, code }) => [peer, code])).toEqual([
    ["runner", "OK"],
    ["", "PERMISSION_DENIED"],
    ["", "UNAUTHENTICATED"],
  ]);
  const bare = echoClient(target, { credential, tls: { ca }, retry: { maxAttempts: 1 } });
  expect(await failure(bare.echo({}))).toMatchObject({ codeName: "UNAVAILABLE" });
});

test("frames go to one replica's address, and TLS still expects the name", async () => {
  const service = await startExchange({ tls: atServer });
  const client = framingClient(`localhost:${service.server.port}`, { tls: { ca } });
  await untilFramed(client, service);
});
