import { SessionIdentityService } from "@lanekeeper/protocol/lanekeeper/identity/v1/identity_service";
import { createGrpcClient, serviceCredential } from "@lanekeeper/rpc";
import { systemClock, systemIds } from "@lanekeeper/service";
import { captureLog, testContext, testSettings } from "@lanekeeper/service/testing";
import { expect, onTestFinished, test } from "vitest";
import { startSessionIdentity } from "./service.ts";
import { failure, newTenant } from "./testing/calls.ts";
import { testDatabase } from "./testing/database.ts";

const database = testDatabase();
const SECRET = "cluster-secret-cluster-secret-cluster";

async function startService() {
  const captured = captureLog();
  const env = { DATABASE_URL: database.url(), LANEKEEPER_CLUSTER_SECRET: SECRET };
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
  return { running, client };
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
