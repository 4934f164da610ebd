import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { serviceAuthenticator } from "./auth/service-authenticator.ts";
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

test("with mutual TLS the certificate says which service calls", async () => {
  const { server, reports } = await startEcho({
    tls: { ...atServer, ca, requireClientCertificate: true },
    authenticator: serviceAuthenticator("", true),
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

/** Often enough for a test that waits for it. */
const REFRESH_MS = 20;

/** A party's files, which can be replaced. */
async function party(name: string) {
  const folder = await mkdtemp(join(tmpdir(), "lanekeeper-tls-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const at = (file: string) => join(folder, file);
  const files = {
    certFile: at("cert"),
    keyFile: at("key"),
    caFile: at("ca"),
    refreshMs: REFRESH_MS,
  };
  const put = async (file: string, content: Buffer) => {
    await writeFile(`${file}.new`, content);
    await rename(`${file}.new`, file);
  };
  const give = async (issuer: typeof authority, trusted = [issuer]) => {
    const { key, cert } = createIdentity(issuer, name);
    await put(files.caFile, Buffer.concat(trusted.map((root) => root.cert)));
    await put(files.keyFile, key);
    await put(files.certFile, cert);
  };
  return { files, give };
}

function untilAnswer(ask: () => Promise<string | undefined>, answer: string | undefined) {
  return expect.poll(ask).toBe(answer);
}

test("certificates and roots are read again without a restart", async () => {
  const [server, runner] = [await party("session-identity"), await party("runner")];
  await server.give(authority);
  await runner.give(authority);
  const service = await startEcho({
    tls: server.files,
    authenticator: serviceAuthenticator("", true),
  });
  const target = `localhost:${service.server.port}`;
  const call = async (tls: typeof runner.files) => {
    const client = echoClient(target, { tls, retry: { maxAttempts: 1 } });
    try {
      return (await client.shout({ text: "a" })).text;
    } catch {
      return undefined;
    } finally {
      client.$close();
    }
  };
  await untilAnswer(() => call(runner.files), "A");

  const next = createAuthority("next root");
  const stranger = await party("runner");
  await stranger.give(next, [authority, next]);
  expect(await call(stranger.files)).toBeUndefined();
  // As operators change roots: first trusted beside the old one, then used, then alone.
  await server.give(authority, [authority, next]);
  await untilAnswer(() => call(stranger.files), "A");
  await server.give(next);
  await untilAnswer(() => call(runner.files), undefined);
  await untilAnswer(() => call(stranger.files), "A");
});

test.each([
  [
    "a SPIFFE id",
    { subject: {}, subjectaltname: "URI:spiffe://a.example/lanekeeper/runner" },
    true,
  ],
  ["a common name", { subject: { CN: "runner" } }, true],
  [
    "a SPIFFE id that is no service's, whatever the common name",
    { subject: { CN: "runner" }, subjectaltname: "DNS:runner, URI:spiffe://a.example/web" },
    false,
  ],
  [
    "two SPIFFE ids",
    { subject: {}, subjectaltname: "URI:spiffe://a/runner, URI:spiffe://a/cli" },
    false,
  ],
  ["no certificate", {}, false],
  ["a common name that is no service's", { subject: { CN: "postgres" } }, false],
])("%s", async (_what, certificate, isKnown) => {
  const shown = { authorization: undefined, header: () => undefined };
  const authenticate = async () =>
    serviceAuthenticator("", true).authenticate({
      ...shown,
      certificate: () => certificate as never,
    });
  if (isKnown) expect(await authenticate()).toEqual({ kind: "service", service: "runner" });
  else await expect(authenticate()).rejects.toMatchObject({ reason: "UNAUTHENTICATED" });
});
