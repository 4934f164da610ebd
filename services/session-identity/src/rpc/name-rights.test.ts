import { RotationReason } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { describe, expect, test } from "vitest";
import { failure, newTenant } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { type IdentityClient, startReplica } from "../testing/identity.ts";

const database = testDatabase();

async function start() {
  const db = database.open();
  const replica = await startReplica(db);
  const cli = replica.client("cli");
  const tenant = await newTenant(cli);
  return { db, replica, cli, tenant, client: replica.client("ingress", { tenant }) };
}

const raw = (value: string) => ({ name: { case: "rawKey", value } as const });

async function keyOf(client: IdentityClient, request: object): Promise<string | undefined> {
  return (await client.resolveSession(request)).session?.ref?.sessionKey;
}

async function keyOfAs(client: IdentityClient, name: string, options: object) {
  return (await client.resolveSession(raw(name), options)).session?.ref?.sessionKey;
}

describe("who may name what", () => {
  test("reserved names are the services' own, seen before or not", async () => {
    const { client } = await start();
    const outside = { scopes: ["chat"] };
    const refused = () => failure(client.resolveSession(raw("cron:nightly"), outside));
    // Judged in the canonical key, where the reserved word stands elsewhere than in what was sent.
    const first = await refused();
    expect([first.reason, first.metadata]).toEqual(["RESERVED_NAMESPACE", { namespace: "cron" }]);
    expect(await keyOf(client, raw("cron:nightly"))).toBe("agent:main:cron:nightly");
    expect((await refused()).reason).toBe("RESERVED_NAMESPACE");
  });

  test("a credential is confined to its agents", async () => {
    const { cli, tenant, client } = await start();
    const policies = [{ agentId: "main" }, { agentId: "work" }];
    await cli.applyKeyPolicies({ defaultAgentId: "main", policies }, { tenant });
    const confined = { scopes: ["chat"], agents: ["work"] };
    expect((await failure(client.resolveSession(raw("chat"), confined))).reason).toBe(
      "PERMISSION_DENIED",
    );
    expect(await keyOfAs(client, "agent:work:chat", confined)).toBe("agent:work:chat");
    await client.resolveSession(raw("agent:main:secret"));
    const { sessions } = await client.listSessions({}, confined);
    expect(sessions.map(({ ref }) => ref?.sessionKey)).toEqual(["agent:work:chat"]);
    const named = { session: { case: "sessionKey", value: "agent:main:secret" } } as const;
    expect((await failure(client.getSession(named, confined))).reason).toBe("PERMISSION_DENIED");
  });

  test("internal sessions are opened by services and hidden from everybody else", async () => {
    const { client } = await start();
    const inner = { ...raw("notes"), internal: true };
    const outside = { scopes: ["chat"] };
    expect((await failure(client.resolveSession(inner, outside))).reason).toBe("PERMISSION_DENIED");
    await client.resolveSession(inner);
    expect((await failure(client.resolveSession(raw("notes"), outside))).reason).toBe(
      "PERMISSION_DENIED",
    );
    const named = { session: { case: "sessionKey", value: "agent:main:notes" } } as const;
    expect((await failure(client.getSession(named, outside))).reason).toBe("NOT_FOUND");
    expect((await client.getSession(named)).session?.ref?.generation).toBe(1n);
    const reset = { requestId: "r", sessionKey: "agent:main:notes", reason: RotationReason.RESET };
    expect((await failure(client.rotateSession(reset, outside))).reason).toBe("NOT_FOUND");
    const { entries } = await client.listJournal({ sessionKey: "agent:main:notes" }, outside);
    expect(entries).toEqual([]);
  });

  test("another tenant learns nothing", async () => {
    const { cli, client, replica } = await start();
    const { session } = await client.resolveSession(raw("chat"));
    const stranger = replica.client("ingress", { tenant: await newTenant(cli) });
    const { sessions } = await stranger.listSessions({});
    expect(sessions).toEqual([]);
    const byId = { session: { case: "sessionId", value: session?.ref?.sessionId ?? "" } } as const;
    expect((await failure(stranger.getSession(byId))).reason).toBe("NOT_FOUND");
    const rotate = { requestId: "r", sessionKey: "agent:main:chat", reason: RotationReason.FORK };
    const source = { ...rotate, sourceSessionId: session?.ref?.sessionId ?? "" };
    await stranger.resolveSession(raw("chat"));
    expect((await failure(stranger.rotateSession(source))).reason).toBe("NOT_FOUND");
  });
});
