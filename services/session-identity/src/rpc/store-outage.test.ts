import { randomUUID } from "node:crypto";
import { RotationReason } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { createDatabase } from "@lanekeeper/postgres";
import { expect, onTestFinished, test } from "vitest";
import { failure } from "../testing/calls.ts";
import { startReplica } from "../testing/identity.ts";

/** Nobody listens at port 1. */
const NOWHERE = "postgres://nobody:nothing@127.0.0.1:1/nothing";
const KEY = "agent:main:chat";
const peer = { channel: "webchat", kind: 1, peerId: "ada" } as const;
const name = { case: "rawKey", value: "chat" } as const;
const now = { retry: false } as const;

test("a database that cannot be reached is STORE_UNAVAILABLE at every call, never a defect", async () => {
  const log = () => undefined;
  const db = createDatabase<unknown>({ url: NOWHERE, poolSize: 2, applicationName: "test", log });
  onTestFinished(() => db.close());
  const replica = await startReplica(db);
  const cli = replica.client("cli");
  const calls: Record<string, () => Promise<unknown>> = {
    resolveSession: () => cli.resolveSession({ name }, now),
    normalizeKey: () => cli.normalizeKey({ name }, now),
    explainKey: () => cli.explainKey({ name }, now),
    rotateSession: () =>
      cli.rotateSession({ requestId: "r", sessionKey: KEY, reason: RotationReason.RESET }, now),
    getSession: () => cli.getSession({ session: { case: "sessionKey", value: KEY } }, now),
    listSessions: () => cli.listSessions({}, now),
    listRotations: () => cli.listRotations({ sessionKey: KEY }, now),
    listJournal: () => cli.listJournal({ sessionKey: KEY }, now),
    registerKey: () => cli.registerKey({ name, source: "test" }, now),
    registerAlias: () => cli.registerAlias({ aliasSessionKey: `${KEY}2`, sessionKey: KEY }, now),
    removeAlias: () => cli.removeAlias({ aliasSessionKey: `${KEY}2` }, now),
    linkPeer: () => cli.linkPeer({ peer, person: "ada" }, now),
    mergeSessions: () =>
      cli.mergeSessions({ requestId: "m", sessionKey: KEY, survivorSessionKey: `${KEY}2` }, now),
    eraseKey: () => cli.eraseKey({ requestId: "e", sessionKey: KEY }, now),
    getErasure: () => cli.getErasure({ erasureId: randomUUID() }, now),
    listErasures: () => cli.listErasures({}, now),
    applyKeyPolicies: () => cli.applyKeyPolicies({ policies: [{ agentId: "main" }] }, now),
    getKeyPolicies: () => cli.getKeyPolicies({}, now),
    raiseFences: () => cli.raiseFences({ requestId: "f" }, now),
  };
  const told: Record<string, string> = {};
  for (const [call, make] of Object.entries(calls)) told[call] = (await failure(make())).reason;
  const expected = Object.keys(calls).map((call) => [call, "STORE_UNAVAILABLE"]);
  expect(told).toEqual(Object.fromEntries(expected));
});
