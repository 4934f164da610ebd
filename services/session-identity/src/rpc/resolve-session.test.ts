import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { DmScope } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { Freshness, RotationReason } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
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

function peer(channel: string, peerId: string, change: object = {}) {
  const value = { channel, peerId, kind: PeerKind.DIRECT, ...change };
  return { name: { case: "peer", value } as const };
}

async function keyOf(client: IdentityClient, request: object): Promise<string | undefined> {
  return (await client.resolveSession(request)).session?.ref?.sessionKey;
}

describe("names", () => {
  test("many spellings lead to one key, each bound for itself", async () => {
    const { client } = await start();
    const keys = await Promise.all(
      ["main", "MAIN", "agent:main:main", "AGENT:Main:MAIN"].map((name) =>
        keyOf(client, raw(name)),
      ),
    );
    expect(new Set(keys)).toEqual(new Set(["agent:main:main"]));
    const { binding } = await client.resolveSession(raw("MAIN"));
    expect(binding).toMatchObject({
      sessionKey: "agent:main:main",
      source: "resolve",
      agentId: "main",
    });
    expect(binding?.name).toEqual({ case: "rawKey", value: "MAIN" });
  });

  test("an established name writes nothing", async () => {
    const { db, client, tenant } = await start();
    await client.resolveSession(raw("chat"));
    const before = await rowsOf(db, tenant);
    await client.resolveSession(raw("chat"));
    expect(await rowsOf(db, tenant)).toEqual(before);
  });

  test("a binding stands for ever, whatever the rules would say now", async () => {
    const { db, client, tenant } = await start();
    await client.resolveSession(raw("old"));
    await db.query(
      `update key_bindings set name = 'once allowed:' where tenant = $1 and name = 'old'`,
      [tenant],
    );
    await db.query(
      `insert into key_bindings select tenant, agent_id, kind, ':refused by now', session_key,
         party, dm_scope, rule_set_version, source, first_seen_time, last_seen_time from key_bindings where tenant = $1`,
      [tenant],
    );
    expect(await keyOf(client, raw("once allowed:"))).toBe("agent:main:old");
    expect(await keyOf(client, raw(":refused by now"))).toBe("agent:main:old");
    expect(await failure(client.resolveSession(raw(":never seen")))).toMatchObject({
      reason: "MALFORMED_KEY",
    });
  });

  test("a look-up binds nothing", async () => {
    const { db, client, tenant } = await start();
    const before = await rowsOf(db, tenant);
    const error = await failure(client.resolveSession({ ...raw("nobody"), lookUpOnly: true }));
    expect(error.reason).toBe("NOT_FOUND");
    expect(await rowsOf(db, tenant)).toEqual(before);
  });

  test("a registered name has a binding and no session until somebody comes", async () => {
    const { client } = await start();
    const { binding } = await client.registerKey({ ...raw("later"), source: "slack/1.4" });
    expect(binding).toMatchObject({ sessionKey: "agent:main:later", source: "slack/1.4" });
    expect(await client.registerKey({ ...raw("later"), source: "other" })).toEqual({
      ...(await client.registerKey({ ...raw("later"), source: "third" })),
    });
    const looked = await failure(client.resolveSession({ ...raw("later"), lookUpOnly: true }));
    expect(looked.reason).toBe("NOT_FOUND");
    const resolved = await client.resolveSession(raw("later"));
    expect(resolved.binding?.source).toBe("slack/1.4");
    expect(resolved.session?.ref?.generation).toBe(1n);
  });

  test("what stands there may be stated, also before anything stands there", async () => {
    const { db, client, tenant } = await start();
    const early = client.resolveSession({ ...raw("chat"), expectedGeneration: 1n });
    expect((await failure(early)).reason).toBe("GENERATION_MISMATCH");
    expect((await rowsOf(db, tenant))[0]).toEqual([]);
    const { session } = await client.resolveSession(raw("chat"));
    const expectedSessionId = session?.ref?.sessionId ?? "";
    await client.resolveSession({ ...raw("chat"), expectedSessionId, expectedGeneration: 1n });
    const reset = { requestId: "r", sessionKey: "agent:main:chat", reason: RotationReason.RESET };
    await client.rotateSession(reset);
    expect(
      await failure(client.resolveSession({ ...raw("chat"), expectedSessionId })),
    ).toMatchObject({
      reason: "GENERATION_MISMATCH",
      message: expect.stringMatching(/^session \S+ stands .* expects \S+$/),
      metadata: { generation: "2", expected: expectedSessionId },
    });
    const stale = client.resolveSession({ ...raw("chat"), expectedGeneration: 1n });
    expect(await failure(stale)).toMatchObject({
      message: "generation 2 stands under the key, the call expects 1",
    });
  });
});

async function rowsOf(db: ReturnType<typeof database.open>, tenant: string) {
  return Promise.all(
    ["session_keys", "key_bindings", "journal", "session_changes", "generations"].map(
      async (table) => (await db.query(`select * from ${table} where tenant = $1`, [tenant])).rows,
    ),
  );
}

describe("agents", () => {
  test("without a default agent a bare name is AGENT_REQUIRED", async () => {
    const { cli, client, tenant } = await start();
    await cli.applyKeyPolicies({ policies: [{ agentId: "main" }] }, { tenant });
    expect((await failure(client.resolveSession(raw("chat")))).reason).toBe("AGENT_REQUIRED");
    expect(await keyOf(client, { ...raw("chat"), agentId: "main" })).toBe("agent:main:chat");
  });

  test("new policies hold at once on a replica that has read the old ones", async () => {
    const { cli, tenant, client } = await start();
    const other = (await startReplica(database.open())).client("ingress", { tenant });
    await Promise.all([client, other].map((each) => each.resolveSession(raw("chat"))));
    const policies = [{ agentId: "main" }, { agentId: "work" }];
    expect(
      await cli.applyKeyPolicies({ defaultAgentId: "work", policies }, { tenant }),
    ).toMatchObject({
      version: 2n,
    });
    expect(await keyOf(other, raw("chat"))).toBe("agent:work:chat");
    expect(await keyOf(client, raw("chat"))).toBe("agent:work:chat");
  });

  test("an agent that is gone keeps its keys and opens none", async () => {
    const { cli, tenant, client } = await start();
    await client.resolveSession(raw("agent:main:kept"));
    await cli.applyKeyPolicies(
      { defaultAgentId: "work", policies: [{ agentId: "work" }] },
      { tenant },
    );
    expect(await keyOf(client, raw("agent:main:kept"))).toBe("agent:main:kept");
    expect((await failure(client.resolveSession(raw("agent:main:new")))).reason).toBe(
      "UNKNOWN_MODEL",
    );
  });

  test("equal policies change nothing; what is in force can be read", async () => {
    const { cli, tenant, client } = await start();
    const policies = [
      {
        agentId: "main",
        dmScope: DmScope.MAIN,
        idleAfter: durationFromMs(60_000),
        dailyAt: "04:00",
        timeZone: "Europe/Berlin",
      },
    ];
    const applied = await cli.applyKeyPolicies({ defaultAgentId: "main", policies }, { tenant });
    expect(await cli.applyKeyPolicies({ defaultAgentId: "main", policies }, { tenant })).toEqual(
      applied,
    );
    expect(await client.getKeyPolicies({})).toMatchObject({
      version: 2n,
      defaultAgentId: "main",
      policies,
    });
  });

  test("a replica with older rules than those in force binds nothing and serves what is bound", async () => {
    const { db, tenant, client } = await start();
    await client.resolveSession(raw("chat"));
    await db.query(
      "update tenant_policies set rule_set_version = 99, version = version + 1 where tenant = $1",
      [tenant],
    );
    await db.query("update key_policies set version = 2 where tenant = $1", [tenant]);
    expect(await keyOf(client, raw("chat"))).toBe("agent:main:chat");
    const error = await failure(client.resolveSession(raw("new"), { retry: false }));
    expect(error.reason).toBe("STORE_UNAVAILABLE");
  });
});

describe("peers", () => {
  test("one key for all spellings of a peer, by the agent's scope", async () => {
    const { cli, tenant, client } = await start();
    const a = await keyOf(client, peer("whatsapp", "+49 151 234567"));
    const b = await keyOf(client, peer("whatsapp", "49151234567@s.whatsapp.net"));
    expect(a).toBe("agent:main:whatsapp:direct:49151234567");
    expect(b).toBe(a);
    const policies = [{ agentId: "main", dmScope: DmScope.MAIN }];
    await cli.applyKeyPolicies({ defaultAgentId: "main", policies }, { tenant });
    expect(await keyOf(client, peer("whatsapp", "49151234567"))).toBe("agent:main:main");
  });

  test("a name like a typed one takes more than a plain credential once the channel is known", async () => {
    const { tenant, client, replica } = await start();
    const outside = replica.client("ingress", { tenant });
    const plain = { scopes: ["chat"] };
    expect(await keyOfAs(outside, "mychan:direct:x", plain)).toBe("agent:main:mychan:direct:x");
    await client.resolveSession(peer("mychan", "y"));
    const refused = failure(outside.resolveSession(raw("mychan:direct:x"), plain));
    expect((await refused).reason).toBe("PERMISSION_DENIED");
    const allowed = { ...plain, keyPrefixes: ["agent:main:mychan:"] };
    expect(await keyOfAs(outside, "mychan:direct:x", allowed)).toBe("agent:main:mychan:direct:x");
    expect(await keyOfAs(outside, "mychan:direct:x", { scopes: ["adapter"] })).toBe(
      "agent:main:mychan:direct:x",
    );
  });
});

async function keyOfAs(client: IdentityClient, name: string, options: object) {
  return (await client.resolveSession(raw(name), options)).session?.ref?.sessionKey;
}

test("freshness is told, and acted upon by BeginRun alone", async () => {
  const { cli, db, tenant, client } = await start();
  await client.resolveSession(raw("chat"));
  const policies = [{ agentId: "main", idleAfter: durationFromMs(60_000) }];
  await cli.applyKeyPolicies({ defaultAgentId: "main", policies }, { tenant });
  await db.query(
    `update session_keys set used = true, person_time = now() - interval '2 minutes',
       rotate_time = now() - interval '3 minutes' where tenant = $1`,
    [tenant],
  );
  const { session } = await client.resolveSession(raw("chat"));
  expect(session).toMatchObject({ freshness: Freshness.IDLE_EXPIRED, ref: { generation: 1n } });
});
