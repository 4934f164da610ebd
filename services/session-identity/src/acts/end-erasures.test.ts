import { randomUUID } from "node:crypto";
import { ErasureState } from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import { PeerKind } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { sweep } from "../store/upkeep/sweep.ts";
import { begin, failure, fenceOf } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import {
  endNow,
  erase,
  type Erasing,
  eraseWhole,
  rawName,
  removeAll,
  startErasing,
} from "../testing/erasing.ts";
import { startReplica } from "../testing/identity.ts";
import { holdAfter, untilWaiting } from "../testing/locks.ts";
import { usageOf } from "../testing/usage.ts";

const database = testDatabase();
const start = () => startErasing(database.open());

const KEY = "agent:main:chat";
const byKey = (value: string) => ({ session: { case: "sessionKey", value } }) as const;

/** What goes by its own retention. */
const KEPT_FOR_A_WHILE = [
  ...["journal", "runs", "lifecycle_events", "replies", "requests", "session_changes"],
];

/** Tables in whose rows of a tenant a text stands anywhere. */
async function tablesWith({ db, tenant }: Erasing, text: string): Promise<readonly string[]> {
  const { rows: tables } = await db.query<{ name: string }>(
    `select distinct c.relname as name from pg_class c
     join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant'
     where c.relnamespace = 'lanekeeper_identity'::regnamespace and c.relkind = 'r'`,
  );
  const found = tables.map(async ({ name }) => {
    const { rowCount } = await db.query(
      `select from ${name} t where t.tenant = $1 and to_jsonb(t)::text like '%' || $2 || '%' limit 1`,
      [tenant, text],
    );
    return rowCount > 0 ? [name] : [];
  });
  return (await Promise.all(found)).flat().sort();
}

const usage = ({ db, tenant }: Erasing) => usageOf(db, tenant);

async function stateOf({ cli }: Erasing, erasureId: string) {
  const { erasure } = await cli.getErasure({ erasureId });
  return { state: erasure?.state, returned: erasure?.returned, keys: erasure?.keys.length };
}

/** A run that came and went. */
async function run({ runner }: Erasing, admittedGeneration = 1n, sessionKey = KEY) {
  const value = fenceOf(await runner.beginRun(begin(sessionKey, { admittedGeneration })));
  const event = { case: "ended", value: { outcome: RunOutcome.COMPLETED } } as const;
  await runner.writeLifecycle({ writer: { case: "run", value }, event });
  return value;
}

const phone = (id: string) =>
  ({ channel: "whatsapp", accountId: "1", kind: PeerKind.DIRECT, peerId: id }) as const;
const peerName = (id: string) => ({ name: { case: "peer", value: phone(id) } }) as const;

test("once nobody has anything of a conversation, its name stands nowhere but in what goes within a month, and its room is given back", async () => {
  const erasing = await start();
  const { cli, ingress } = erasing;
  await ingress.resolveSession(rawName("elsewhere"));
  const before = await usage(erasing);
  const number = "+4915112345678";
  const digits = number.slice(1);
  const { session } = await ingress.resolveSession(peerName(number));
  const key = session?.ref?.sessionKey ?? "";
  expect(key).toContain(digits);
  await cli.registerAlias({ aliasSessionKey: `agent:main:nick-${digits}`, sessionKey: key });
  await cli.linkPeer({ peer: phone(number), person: `anna-${digits}` });
  await run(erasing, 1n, key);
  expect(await tablesWith(erasing, digits)).toEqual(
    expect.arrayContaining(["session_keys", "generations", "key_bindings", "person_links"]),
  );

  const erasureId = await erase(erasing, key);
  expect(await stateOf(erasing, erasureId)).toMatchObject({ state: ErasureState.REMOVING });
  expect(await endNow(erasing)).toBe(0);
  await removeAll(erasing, erasureId);
  expect(await endNow(erasing)).toBe(1);

  const left = await tablesWith(erasing, digits);
  expect(left.filter((table) => !KEPT_FOR_A_WHILE.includes(table))).toEqual([]);
  expect(await usage(erasing)).toEqual(before);
  expect(await stateOf(erasing, erasureId)).toEqual({
    ...{ state: ErasureState.ERASED, returned: false, keys: 0 },
  });
  expect((await failure(cli.getSession(byKey(key)))).reason).toBe("NOT_FOUND");
  expect((await cli.listSessions({})).sessions.map((one) => one.ref?.sessionKey)).toEqual([
    "agent:main:elsewhere",
  ]);
  const { entries } = await cli.listJournal({ sessionKey: key });
  expect(entries.slice(0, 3).map((entry) => entry.operation)).toEqual([
    ...["forget_key", "erase", "rotate"],
  ]);
});

test("a name that comes back goes on behind the numbers it had: nothing of its first life may act", async () => {
  const erasing = await start();
  const { cli, ingress, runner, delivery } = erasing;
  await ingress.resolveSession(rawName("chat"));
  for (let round = 0; round < 3; round += 1) await run(erasing);
  const { session: before } = await cli.getSession(byKey(KEY));
  const old = fenceOf(await runner.beginRun(begin(KEY)));
  await eraseWhole(erasing, KEY);

  const event = { case: "ended", value: { outcome: RunOutcome.COMPLETED } } as const;
  const late = () => runner.writeLifecycle({ writer: { case: "run", value: old }, event });
  expect((await failure(late())).reason).toBe("NOT_FOUND");
  expect((await failure(runner.beginRun(begin(KEY)))).reason).toBe("NOT_FOUND");

  const { session } = await ingress.resolveSession(rawName("chat"));
  expect(session?.ref?.sessionKey).toBe(KEY);
  expect(session?.ref?.sessionId).not.toBe(before?.ref?.sessionId);
  expect(session).toMatchObject({ ref: { generation: 3n }, runEpoch: 4n });
  expect(session?.revision).toBeGreaterThan(before?.revision ?? 0n);
  expect((await failure(late())).reason).toBe("STALE_GENERATION");
  const skipped = runner.beginRun(begin(KEY, { admittedGeneration: 2n }));
  expect((await failure(skipped)).reason).toBe("TURN_SKIPPED");
  const reply = { session: old.session, turnId: "turn-1", deliveryId: randomUUID() };
  const sending = { case: "sending", value: { attempt: 1 } } as const;
  const sent = delivery.writeLifecycle({
    ...{ writer: { case: "reply", value: reply }, eventSeq: 1n, event: sending },
  });
  expect((await failure(sent)).reason).toBe("STALE_GENERATION");
  const fence = await run(erasing, 3n);
  expect([fence.session?.generation, fence.runEpoch]).toEqual([3n, 5n]);
  // Other new keys of the tenant start there too.
  const { session: another } = await ingress.resolveSession(rawName("another"));
  expect(another?.ref?.generation).toBe(3n);
});

test("whoever comes back before the end keeps key and name, and what was said since", async () => {
  for (const comeBack of [
    (one: Erasing) => one.ingress.resolveSession(rawName("chat")),
    (one: Erasing) => run(one, 2n),
    (one: Erasing) => one.cli.rotateSession({ requestId: "r", sessionKey: KEY, reason: 1 }),
  ]) {
    const erasing = await start();
    await erasing.ingress.resolveSession(rawName("chat"));
    const erasureId = await erase(erasing, KEY);
    await comeBack(erasing);
    expect((await stateOf(erasing, erasureId)).returned).toBe(true);
    await removeAll(erasing, erasureId);
    expect(await endNow(erasing)).toBe(1);
    expect(await stateOf(erasing, erasureId)).toEqual({
      ...{ state: ErasureState.ERASED, returned: true, keys: 0 },
    });
    const { session } = await erasing.ingress.resolveSession(rawName("chat"));
    expect(session?.ref?.generation).toBeGreaterThanOrEqual(2n);
    expect(await tablesWith(erasing, KEY)).toContain("key_bindings");
  }
});

test("a look at a conversation that is erased is no return", async () => {
  const erasing = await start();
  await erasing.ingress.resolveSession(rawName("chat"));
  const erasureId = await erase(erasing, KEY);
  await erasing.ingress.resolveSession({ ...rawName("chat"), lookUpOnly: true });
  await erasing.cli.getSession(byKey(KEY));
  await erasing.cli.explainKey(rawName("chat"));
  expect((await stateOf(erasing, erasureId)).returned).toBe(false);
});

test("who is refused has not come back", async () => {
  const erasing = await start();
  await erasing.ingress.resolveSession(rawName("chat"));
  const erasureId = await erase(erasing, KEY);
  const wrong = { ...rawName("chat"), expectedGeneration: 1n };
  const refused = await failure(erasing.ingress.resolveSession(wrong));
  expect(refused.reason).toBe("GENERATION_MISMATCH");
  expect((await stateOf(erasing, erasureId)).returned).toBe(false);
});

test("a key to which a name was bound meanwhile stays", async () => {
  const erasing = await start();
  await erasing.ingress.resolveSession(rawName("chat"));
  const erasureId = await erase(erasing, KEY);
  const { binding } = await erasing.ingress.registerKey(rawName("Agent:main:chat"));
  expect(binding?.sessionKey).toBe(KEY);
  await removeAll(erasing, erasureId);
  await endNow(erasing);
  expect(await stateOf(erasing, erasureId)).toMatchObject({ returned: true });
});

test("a key that another name leads to by now stays", async () => {
  const erasing = await start();
  await erasing.ingress.resolveSession(rawName("chat"));
  const erasureId = await erase(erasing, KEY);
  await erasing.cli.registerAlias({ aliasSessionKey: "agent:main:nick", sessionKey: KEY });
  await removeAll(erasing, erasureId);
  await endNow(erasing);
  expect(await stateOf(erasing, erasureId)).toMatchObject({ returned: true });
  await erasing.cli.getSession(byKey(KEY));
});

test("whoever resolves the name while its key goes is told of a session that stands", async () => {
  const erasing = await start();
  const { db, ingress, tenant } = erasing;
  await ingress.resolveSession(rawName("chat"));
  const erasureId = await erase(erasing, KEY);
  await removeAll(erasing, erasureId);
  const held = await holdAfter(db, async (tx) => {
    await tx.query("select from erasures where erasure_id = $1 for update", [erasureId]);
  });
  // Both wait: the end for the erasure, and behind it, on the key's row that we let go last, the resolve.
  const row = await holdAfter(db, async (tx) => {
    await tx.query("select from session_keys where tenant = $1 and session_key = $2 for update", [
      ...[tenant, KEY],
    ]);
  });
  const ended = endNow(erasing);
  await untilWaiting(db, 1);
  await held.release();
  await untilWaiting(db, 1);
  const resolved = ingress.resolveSession(rawName("chat"));
  await untilWaiting(db, 2);
  await row.release();
  expect(await ended).toBe(1);
  const { session } = await resolved;
  const { session: standing } = await erasing.cli.getSession(byKey(KEY));
  expect(standing?.ref).toEqual(session?.ref);
  expect(session?.ref?.generation).toBe(3n);
});

test("two replicas end an erasure once", async () => {
  const erasing = await start();
  await erasing.ingress.resolveSession(rawName("chat"));
  const erasureId = await erase(erasing, KEY);
  await removeAll(erasing, erasureId);
  const other = await startReplica(erasing.db);
  const ended = await Promise.all([endNow(erasing), endNow({ replica: other })]);
  expect(ended.toSorted((a, b) => a - b)).toEqual([0, 1]);
  expect(await usage(erasing)).toEqual({ keys: 0, names: 0 });
});

test("equivalences and links of a peer stay for the names that are left, and go with the last", async () => {
  const erasing = await start();
  const { cli, ingress } = erasing;
  const chat = (id: string, thread = "") =>
    ({
      name: {
        case: "peer",
        value: {
          channel: "telegram",
          accountId: "1",
          kind: PeerKind.GROUP,
          peerId: id,
          threadId: thread,
        },
      },
    }) as const;
  const keyOf = async (name: ReturnType<typeof chat>) =>
    (await ingress.resolveSession(name)).session?.ref?.sessionKey ?? "";
  const [old, moved] = [chat("-100"), chat("-100200")];
  const first = await keyOf(old);
  await cli.registerEquivalence({ peer: moved.name.value, sameAs: old.name.value });
  const topic = await keyOf(chat("-100200", "7"));
  expect(topic).not.toBe(first);
  expect(await tablesWith(erasing, "-100200")).toContain("peer_equivalences");

  await eraseWhole(erasing, topic);
  expect(await tablesWith(erasing, "-100200")).toContain("peer_equivalences");
  await eraseWhole(erasing, await keyOf(old));
  const left = await tablesWith(erasing, "-100");
  expect(left.filter((table) => !KEPT_FOR_A_WHILE.includes(table))).toEqual([]);
});

test("a name that was registered and never used goes by itself", async () => {
  const erasing = await start();
  await erasing.ingress.registerKey(rawName("chat"));
  await eraseWhole(erasing, KEY);
  const left = await tablesWith(erasing, KEY);
  expect(left.filter((table) => !KEPT_FOR_A_WHILE.includes(table))).toEqual([]);
});

test("the record of an erasure goes after its retention, and one that is under way never", async () => {
  const erasing = await start();
  const { db, cli, ingress } = erasing;
  for (const name of ["chat", "other"]) await ingress.resolveSession(rawName(name));
  const ended = await eraseWhole(erasing, KEY);
  const open = await erase(erasing, "agent:main:other");
  const never = new AbortController().signal;
  const { erasureRetentionMs } = LIMITS;
  await sweep(db, Date.now() + erasureRetentionMs - 60_000, never);
  await cli.getErasure({ erasureId: ended });
  await sweep(db, Date.now() + erasureRetentionMs + 60_000, never);
  expect((await failure(cli.getErasure({ erasureId: ended }))).reason).toBe("NOT_FOUND");
  await cli.getErasure({ erasureId: open });
});
