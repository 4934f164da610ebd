import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { TurnClass } from "@lanekeeper/protocol/lanekeeper/identity/v1/lifecycle";
import { createGrpcClient, serviceCredential } from "@lanekeeper/rpc";
import { createAuthority, createIdentity } from "@lanekeeper/rpc/testing/certificate";
import { systemClock, systemIds } from "@lanekeeper/service";
import { captureLog, testContext, testSettings } from "@lanekeeper/service/testing";
import { expect, onTestFinished, test } from "vitest";
import { startSessionIdentity } from "./service.ts";
import { failure, newTenant } from "./testing/calls.ts";
import { testDatabase } from "./testing/database.ts";

const database = testDatabase();
const SECRET = "cluster-secret-cluster-secret-cluster";

async function startService(more: Record<string, string> = {}) {
  const captured = captureLog();
  const env = { DATABASE_URL: database.url(), LANEKEEPER_CLUSTER_SECRET: SECRET, ...more };
  const settings = testSettings(env);
  const parts = { settings, log: captured.log, clock: systemClock, ids: systemIds };
  const running = await startSessionIdentity(testContext("session-identity", parts));
  const port = captured.lines.find(({ msg }) => msg === "serving")?.["grpc_port"];
  const client = createGrpcClient(SessionIdentityService, {
    target: `127.0.0.1:${String(port)}`,
    credential: serviceCredential("cli", SECRET),
    defaults: { tenant: "acme" },
  });
  onTestFinished(async () => {
    client.$close();
    await running[Symbol.asyncDispose]();
  });
  return { running, client, port: String(port) };
}

/** Certificates of one authority, as the variables name them. */
async function certificates() {
  const folder = await mkdtemp(join(tmpdir(), "lanekeeper-tls-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const authority = createAuthority("root");
  await writeFile(join(folder, "ca.pem"), authority.cert);
  const give = async (party: string) => {
    const { key, cert } = createIdentity(authority, party);
    await writeFile(join(folder, `${party}.pem`), cert);
    await writeFile(join(folder, `${party}.key`), key);
    return filesOf(party);
  };
  const filesOf = (party: string) => ({
    certFile: join(folder, `${party}.pem`),
    keyFile: join(folder, `${party}.key`),
    caFile: join(folder, "ca.pem"),
  });
  const { certFile, keyFile, caFile } = filesOf("{service}");
  const env = {
    LANEKEEPER_TLS_CERT_FILE: certFile,
    LANEKEEPER_TLS_KEY_FILE: keyFile,
    LANEKEEPER_TLS_CA_FILE: caFile,
  };
  return { give, env };
}

test("serves once its schema is there, and lets go of its watchers when it drains", async () => {
  const { running, client } = await startService();
  expect(await running.ready()).toEqual({ ready: true });
  const tenant = await newTenant(client);
  const name = { case: "rawKey", value: "chat" } as const;
  const { session } = await client.resolveSession({ name }, { tenant });
  expect(session?.ref?.sessionKey).toBe("agent:main:chat");
  const watch = client.watchSessions({ skipSnapshot: true }, { tenant })[Symbol.asyncIterator]();
  await watch.next();
  const ended = failure(watch.next());
  await running.drain(new AbortController().signal);
  expect((await ended).reason).toBe("DRAINING");
});

test("refuses a schema that was never migrated", async () => {
  const db = database.open();
  await db.query("alter schema lanekeeper_identity rename to elsewhere");
  onTestFinished(async () => {
    await db.query("alter schema elsewhere rename to lanekeeper_identity");
  });
  await expect(startService()).rejects.toThrow("lanekeeper migrate");
});

test("says which variable to set where no database is named", async () => {
  const context = testContext("session-identity", { settings: testSettings() });
  await expect(startSessionIdentity(context)).rejects.toThrow("LANEKEEPER_IDENTITY_DATABASE_URL");
});

test("with mutual TLS who calls is whom the certificate names, whatever token is shown", async () => {
  const { give, env } = await certificates();
  await give("session-identity");
  const { port } = await startService(env);
  const as = async (party: string) => {
    const client = createGrpcClient(SessionIdentityService, {
      target: `localhost:${port}`,
      // A token of the one service that may begin runs.
      credential: serviceCredential("runner", SECRET),
      tls: await give(party),
      defaults: { tenant: "acme" },
      retry: { maxAttempts: 1 },
    });
    onTestFinished(() => client.$close());
    return client;
  };
  const tenant = await newTenant(await as("cli"));
  const name = { case: "rawKey", value: "chat" } as const;
  const { session } = await (await as("ingress")).resolveSession({ name }, { tenant });
  const begin = {
    ...{ sessionKey: session?.ref?.sessionKey ?? "", admittedGeneration: 1n, turnId: "turn-1" },
    ...{ runId: systemIds.uuid(), leaseDuration: { seconds: 15n }, turnClass: TurnClass.PERSON },
    acceptTime: timestampNow(),
  };
  for (const party of ["ingress", "delivery", "cli"]) {
    const refused = await failure((await as(party)).beginRun(begin, { tenant }));
    expect(refused.reason).toBe("PERMISSION_DENIED");
  }
  const { fence } = await (await as("runner")).beginRun(begin, { tenant });
  expect(fence?.runEpoch).toBe(1n);
  const stranger = (await as("postgres")).resolveSession({ name }, { tenant });
  expect((await failure(stranger)).reason).toBe("UNAUTHENTICATED");
});
