import { randomUUID } from "node:crypto";
import { ErasureState } from "@lanekeeper/protocol/lanekeeper/identity/v1/erasure";
import { RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { expect, test } from "vitest";
import { LIMITS } from "../limits.ts";
import { begin, failure, fenceOf, runIdFor } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { erase, rawName, settle, startErasing } from "../testing/erasing.ts";

const database = testDatabase();
const start = () => startErasing(database.open());

const KEY = "agent:main:chat";
const byKey = (value: string) => ({ session: { case: "sessionKey", value } }) as const;
const taskKey = (mintedMs = Date.now()) => `agent:main:subagent:${runIdFor(mintedMs)}`;

test("a conversation that is erased begins anew at once: its run ends, turns that wait are skipped, replies are suppressed", async () => {
  const { cli, ingress, runner } = await start();
  await ingress.resolveSession(rawName("chat"));
  const value = fenceOf(await runner.beginRun(begin(KEY)));

  const { erasure } = await cli.eraseKey({ requestId: "r-1", sessionKey: KEY, note: "asked to" });
  expect(erasure).toMatchObject({
    ...{ state: ErasureState.REMOVING, returned: false, settled: false, note: "asked to" },
    keys: [{ sessionKey: KEY, throughGeneration: 1n }],
  });

  const { session } = await cli.getSession(byKey(KEY));
  expect(session).toMatchObject({
    ...{ ref: { generation: 2n }, oldestRunnableGeneration: 2n, oldestDeliverableGeneration: 2n },
  });
  expect(session?.activeRun).toBeUndefined();
  const event = { case: "ended", value: { outcome: RunOutcome.COMPLETED } } as const;
  const late = runner.writeLifecycle({ writer: { case: "run", value }, event });
  expect((await failure(late)).reason).toBe("STALE_GENERATION");
  expect((await failure(runner.beginRun(begin(KEY)))).reason).toBe("TURN_SKIPPED");
});

test("a repeat gets the erasure, other content is refused, and whoever asks anew meanwhile gets the one under way", async () => {
  const { cli, ingress } = await start();
  await ingress.resolveSession(rawName("chat"));
  const request = { requestId: "r-1", sessionKey: KEY };
  const [first, repeat] = [await cli.eraseKey(request), await cli.eraseKey(request)];
  expect(repeat.erasure?.erasureId).toBe(first.erasure?.erasureId);
  const other = cli.eraseKey({ ...request, note: "another" });
  expect((await failure(other)).reason).toBe("IDEMPOTENCY_MISMATCH");
  const again = await cli.eraseKey({ ...request, requestId: "r-2" });
  expect(again.erasure?.erasureId).toBe(first.erasure?.erasureId);
  expect((await cli.getSession(byKey(KEY))).session?.ref?.generation).toBe(2n);

  // Somebody has come back: what was said since is another conversation.
  await ingress.resolveSession(rawName("chat"));
  const { erasure: after } = await cli.getErasure({ erasureId: first.erasure?.erasureId ?? "" });
  expect(after?.returned).toBe(true);
  const second = await cli.eraseKey({ ...request, requestId: "r-3" });
  expect(second.erasure).toMatchObject({ keys: [{ throughGeneration: 2n }], returned: false });
  const { erasures } = await cli.listErasures({ underWayOnly: true });
  expect(erasures.map(({ erasureId }) => erasureId)).toEqual([
    ...[second.erasure?.erasureId, first.erasure?.erasureId],
  ]);
});

test("asked for by any of its names, a conversation goes with all that lead to it and what was merged into it", async () => {
  const { cli, ingress } = await start();
  for (const name of ["chat", "other"]) await ingress.resolveSession(rawName(name));
  const other = "agent:main:other";
  await cli.rotateSession({ requestId: "r-0", sessionKey: other, reason: 1 });
  await cli.mergeSessions({ requestId: "m-1", sessionKey: other, survivorSessionKey: KEY });
  await cli.registerAlias({ aliasSessionKey: "agent:main:nick", sessionKey: KEY });
  const { erasure } = await cli.eraseKey({ requestId: "r-1", sessionKey: "agent:main:nick" });
  expect(erasure?.keys[0]).toMatchObject({ sessionKey: KEY, throughGeneration: 1n });
  expect(erasure?.keys.slice(1).map((one) => [one.sessionKey, one.throughGeneration])).toEqual(
    expect.arrayContaining([
      [other, 2n],
      ["agent:main:nick", 0n],
    ]),
  );
});

test("no reply of what was merged into it goes out any more", async () => {
  const { cli, ingress, delivery } = await start();
  await ingress.resolveSession(rawName("chat"));
  const { session } = await ingress.resolveSession(rawName("other"));
  const other = "agent:main:other";
  await cli.mergeSessions({ requestId: "m-1", sessionKey: other, survivorSessionKey: KEY });
  const send = () => {
    const value = { session: session?.ref, turnId: "turn-1", deliveryId: randomUUID() };
    const event = { case: "sending", value: { attempt: 1 } } as const;
    return delivery.writeLifecycle({ writer: { case: "reply", value }, eventSeq: 1n, event });
  };
  await send();
  await cli.eraseKey({ requestId: "r-1", sessionKey: KEY });
  expect((await failure(send())).reason).toBe("STALE_GENERATION");
});

test("what cannot be erased is told why, and nothing changes", async () => {
  const { db, tenant, cli, ingress } = await start();
  const requestId = randomUUID();
  const nobody = await failure(cli.eraseKey({ requestId, sessionKey: "agent:main:nobody" }));
  expect(nobody.reason).toBe("NOT_FOUND");
  expect((await failure(cli.eraseKey({ requestId, sessionKey: "chat" }))).reason).toBe(
    "MALFORMED_KEY",
  );
  await ingress.resolveSession(rawName("chat"));
  const other = await failure(cli.eraseKey({ requestId, sessionKey: KEY, expectedGeneration: 7n }));
  expect(other.reason).toBe("GENERATION_MISMATCH");
  expect((await failure(cli.eraseKey({ requestId: "", sessionKey: KEY }))).reason).toBe(
    "INVALID_REQUEST",
  );
  await db.query(
    `insert into erasures (tenant, erasure_id, keys, principal, note, perhaps_sent_count, create_time)
     select $1, gen_random_uuid(), '[]', '', '', 0, now() from generate_series(1, $2)`,
    [tenant, LIMITS.maxErasuresUnderWay],
  );
  expect((await failure(cli.eraseKey({ requestId, sessionKey: KEY }))).reason).toBe("QUOTA");
  expect((await cli.getSession(byKey(KEY))).session?.ref?.generation).toBe(1n);
  await db.query("delete from erasures where tenant = $1", [tenant]);
});

test("a credential that is bound erases no conversation that has a name out of its bounds", async () => {
  const { cli, ingress, runner } = await start();
  await ingress.resolveSession(rawName("chat"));
  const bounds = { scopes: ["operator"], keyPrefixes: [`${KEY}`] };
  await cli.registerAlias({ aliasSessionKey: "agent:main:nick", sessionKey: KEY });
  const refused = await failure(ingress.eraseKey({ requestId: "r-1", sessionKey: KEY }, bounds));
  expect(refused.reason).toBe("PERMISSION_DENIED");
  expect((await cli.getSession(byKey(KEY))).session?.ref?.generation).toBe(1n);
  await cli.removeAlias({ aliasSessionKey: "agent:main:nick" });
  const { erasure } = await ingress.eraseKey({ requestId: "r-1", sessionKey: KEY }, bounds);
  expect(erasure?.keys).toHaveLength(1);

  const hidden = { ...rawName("hidden"), internal: true };
  await runner.resolveSession(hidden);
  const request = { requestId: "r-2", sessionKey: "agent:main:hidden" };
  const never = ingress.eraseKey(request, { scopes: ["operator"] });
  expect((await failure(never)).reason).toBe("NOT_FOUND");
});

test("runner and delivery are told what they have to remove, of all tenants, until each has said that it is done", async () => {
  const { db, tenant, replica, runner, delivery, cli, ingress } = await start();
  await ingress.resolveSession(rawName("chat"));
  const erasureId = await erase({ cli }, KEY);
  const toDo = async (peer: "runner" | "delivery") => {
    const { erasures } = await replica.client(peer).listErasuresToDo({});
    return erasures.filter((one) => one.tenant === tenant).map((one) => one.erasureId);
  };
  expect([await toDo("runner"), await toDo("delivery")]).toEqual([[erasureId], [erasureId]]);
  expect((await runner.listErasuresToDo({ afterErasureId: erasureId })).erasures).toEqual([]);
  expect((await failure(cli.listErasuresToDo({}))).reason).toBe("PERMISSION_DENIED");

  const early = await failure(runner.reportErasure({ erasureId, done: true }));
  expect(early).toMatchObject({ reason: "INVALID_REQUEST" });
  await settle(db, erasureId);
  expect((await failure(delivery.reportErasure({ erasureId, done: true }))).reason).toBe(
    "INVALID_REQUEST",
  );
  expect((await runner.reportErasure({ erasureId, done: true })).erasure?.runnerTime).toBeDefined();
  expect([await toDo("runner"), await toDo("delivery")]).toEqual([[], [erasureId]]);
  const { erasure } = await delivery.reportErasure({ erasureId, done: true });
  expect(erasure).toMatchObject({ state: ErasureState.REMOVING, settled: true });
  expect(erasure?.deliveryTime).toBeDefined();
  expect(await toDo("delivery")).toEqual([]);
});

test("keys of tasks join what is erased, each with its largest generation, from the runner alone and until it is done", async () => {
  const { db, cli, ingress, runner, delivery } = await start();
  await ingress.resolveSession(rawName("chat"));
  const erasureId = await erase({ cli }, KEY);
  const key = taskKey();
  const also = (sessionKey: string, throughGeneration: bigint) => [
    { sessionKey, throughGeneration },
  ];
  await runner.reportErasure({ erasureId, also: also(key, 3n) });
  const { erasure } = await runner.reportErasure({ erasureId, also: also(key, 2n) });
  expect(erasure?.keys.slice(1)).toMatchObject([{ sessionKey: key, throughGeneration: 3n }]);

  const refused = async (call: Promise<unknown>) => (await failure(call)).reason;
  expect(await refused(delivery.reportErasure({ erasureId, also: also(key, 4n) }))).toBe(
    "PERMISSION_DENIED",
  );
  const chat = runner.reportErasure({ erasureId, also: also("agent:main:other", 1n) });
  expect(await refused(chat)).toBe("INVALID_REQUEST");
  const many = Array.from({ length: LIMITS.maxReportedKeys + 1 }, () => also(key, 1n)).flat();
  expect(await refused(runner.reportErasure({ erasureId, also: many }))).toBe("INVALID_REQUEST");
  expect(await refused(runner.reportErasure({ erasureId: randomUUID() }))).toBe("NOT_FOUND");

  await settle(db, erasureId);
  await runner.reportErasure({ erasureId, done: true });
  const closed = await runner.reportErasure({ erasureId, also: also(taskKey(), 1n) });
  expect(closed.erasure?.keys).toHaveLength(2);
});

test("more keys of tasks than an erasure keeps are left out, and a page of erasures fits an answer", async () => {
  const { db, tenant, cli, ingress, runner } = await start();
  await ingress.resolveSession(rawName("chat"));
  const erasureId = await erase({ cli }, KEY);
  const long = (index: number) => `agent:main:${"x".repeat(900)}${index}`;
  const keys = Array.from({ length: LIMITS.maxErasedKeys }, (_, index) => ({
    ...{ sessionKey: long(index), throughGeneration: "1" },
  }));
  await db.query("update erasures set keys = $2::jsonb where erasure_id = $1", [
    ...[erasureId, JSON.stringify(keys.slice(0, 2_000))],
  ]);
  await db.query(
    `insert into erasures (tenant, erasure_id, keys, principal, note, perhaps_sent_count, create_time)
     select tenant, gen_random_uuid(), keys, '', '', 0, now() from erasures where erasure_id = $1`,
    [erasureId],
  );
  const first = await cli.listErasures({});
  expect(first.erasures).toHaveLength(1);
  const next = await cli.listErasures({ pageToken: first.nextPageToken });
  expect([next.erasures.length, next.nextPageToken]).toEqual([1, ""]);

  const short = keys.map((one, index) => ({ ...one, sessionKey: `agent:main:${index}` }));
  await db.query("update erasures set keys = $2::jsonb where erasure_id = $1", [
    ...[erasureId, JSON.stringify(short)],
  ]);
  const also = [{ sessionKey: taskKey(), throughGeneration: 1n }];
  const { erasure } = await runner.reportErasure({ erasureId, also });
  expect(erasure?.keys).toHaveLength(LIMITS.maxErasedKeys);
  await db.query("delete from erasures where tenant = $1", [tenant]);
});
