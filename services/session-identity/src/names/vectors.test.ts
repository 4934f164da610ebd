import { randomUUID } from "node:crypto";
import { DmScope as ProtoScope, PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { hasReason } from "@lanekeeper/rpc";
import type { DmScope, Peer } from "@lanekeeper/session-key";
import { expect, test } from "vitest";
import { testDatabase } from "../testing/database.ts";
import { type IdentityClient, startReplica } from "../testing/identity.ts";
import { type RawVector, readVectors } from "../testing/vectors.ts";

/** What the package publishes holds at the service too, where ledger and sessions stand behind it. */
const database = testDatabase();
const vectors = readVectors();

const AGENTS = [...vectors.accept, ...vectors.refuse, ...vectors.peers].flatMap(
  ({ agent }) => agent ?? [],
);
const OF_KEYS = vectors.accept.map(({ canonical }) => canonical.split(":")[1] ?? "");

const SCOPES: Readonly<Record<DmScope, ProtoScope>> = {
  main: ProtoScope.MAIN,
  "per-peer": ProtoScope.PER_PEER,
  "per-channel-peer": ProtoScope.PER_CHANNEL_PEER,
  "per-account-channel-peer": ProtoScope.PER_ACCOUNT_CHANNEL_PEER,
};
const KINDS: Readonly<Record<Peer["kind"], PeerKind>> = {
  direct: PeerKind.DIRECT,
  group: PeerKind.GROUP,
  channel: PeerKind.CHANNEL,
};

/** Tenants of a replica that have every agent of the vectors, by default agent and scope. */
class Tenants {
  readonly #cli: IdentityClient;
  readonly #named = new Map<string, Promise<string>>();

  constructor(cli: IdentityClient) {
    this.#cli = cli;
  }

  with(defaultAgentId: string, dmScope: DmScope = "per-channel-peer"): Promise<string> {
    const name = `${defaultAgentId} ${dmScope}`;
    const known = this.#named.get(name) ?? this.#make(defaultAgentId, SCOPES[dmScope]);
    this.#named.set(name, known);
    return known;
  }

  async #make(defaultAgentId: string, dmScope: ProtoScope): Promise<string> {
    const tenant = randomUUID();
    const agents = new Set([
      ...AGENTS,
      ...OF_KEYS,
      ...(defaultAgentId === "" ? [] : [defaultAgentId]),
    ]);
    const policies = [...agents].map((agentId) => ({ agentId, dmScope }));
    await this.#cli.applyKeyPolicies({ defaultAgentId, policies }, { tenant });
    return tenant;
  }
}

async function start() {
  const replica = await startReplica(database.open());
  return { client: replica.client("ingress"), tenants: new Tenants(replica.client("cli")) };
}

/** As an adapter's credential: outside, and allowed to use names that look typed. */
const ADAPTER = { scopes: ["adapter"] };

type Started = Awaited<ReturnType<typeof start>>;

/** The key and the session that a raw name leads to, or the reason that refuses it. */
async function rawLeadsTo(
  { client, tenants }: Started,
  { raw, agent = "", default_agent = "" }: RawVector,
) {
  const tenant = await tenants.with(default_agent);
  const request = { agentId: agent, name: { case: "rawKey", value: raw } } as const;
  try {
    const { session } = await client.resolveSession(request, { ...ADAPTER, tenant });
    return session?.ref?.sessionKey;
  } catch (error) {
    if (hasReason(error)) return error.reason;
    throw error;
  }
}

test("every raw name that is accepted leads to its key, at first contact and when it is known", async () => {
  const started = await start();
  for (let time = 0; time < 2; time += 1) {
    const found = await Promise.all(vectors.accept.map((vector) => rawLeadsTo(started, vector)));
    vectors.accept.forEach(({ canonical, why }, n) => expect(found[n], why).toBe(canonical));
  }
});

test("every raw name that is refused has its reason, and the ledger holds none of them", async () => {
  const started = await start();
  const found = await Promise.all(vectors.refuse.map((vector) => rawLeadsTo(started, vector)));
  vectors.refuse.forEach(({ reason, why }, n) => expect(found[n], why).toBe(reason));
  const { rows } = await database
    .open()
    .query("select name from key_bindings where tenant = any($1)", [
      await Promise.all(["", "main"].map((name) => started.tenants.with(name))),
    ]);
  expect(rows).toEqual([]);
});

async function sessionOf(
  { client, tenants }: Started,
  agentId: string,
  dmScope: DmScope | undefined,
  peer: Peer,
) {
  const tenant = await tenants.with(agentId, dmScope);
  const { channel, account = "", kind, thread = "", peer: peerId } = peer;
  const value = { channel, accountId: account, kind: KINDS[kind], peerId, threadId: thread };
  const name = { case: "peer", value } as const;
  const { session } = await client.resolveSession({ agentId, name }, { ...ADAPTER, tenant });
  return session?.ref?.sessionId;
}

test("two spellings of a peer have one session, two peers have two", async () => {
  const started = await start();
  for (const { a, b, agent, dm_scope, expect: expected, why } of vectors.peers) {
    const ids = [
      await sessionOf(started, agent, dm_scope, a),
      await sessionOf(started, agent, dm_scope, b),
    ];
    expect(new Set(ids).size, why).toBe(expected === "same" ? 1 : 2);
  }
});
