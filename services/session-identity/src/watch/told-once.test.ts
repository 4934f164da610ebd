import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { WatchSessionsResponse } from "@lanekeeper/protocol/lanekeeper/identity/v1/watch";
import { expect, test } from "vitest";
import { failure, newTenant } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { type IdentityClient, startReplica } from "../testing/identity.ts";
import { seen, watchedTenant, watching } from "../testing/watching.ts";

const database = testDatabase();

async function toldOnce(
  client: IdentityClient,
  request: Parameters<IdentityClient["watchSessions"]>[0] = {},
): Promise<WatchSessionsResponse[]> {
  const messages: WatchSessionsResponse[] = [];
  for await (const message of client.watchSessions({ ...request, stopWhenTold: true })) {
    messages.push(message);
  }
  return messages;
}

test("who asks to be told once gets a snapshot and the end", async () => {
  const { client, resolve } = await watchedTenant(database.open());
  await resolve("a");
  const told = await toldOnce(client);
  expect(told.map(seen)).toEqual(["snapshot agent:main:a g1 r1", "snapshotEnd"]);
  expect(told.at(-1)?.position).toBeGreaterThan(0n);
});

test("from a token it is the changes since, of the own keys alone, and a place to go on from", async () => {
  const { client, resolve, reset } = await watchedTenant(database.open());
  const start = (await toldOnce(client)).at(-1);
  await resolve("a");
  await resolve("b");
  await reset("a", "1");
  const resumeToken = start?.resumeToken ?? "";
  const told = await toldOnce(client, { resumeToken, sessionKeyPrefix: "agent:main:a" });
  expect(told.map(seen)).toEqual([
    "changed agent:main:a g1 r1",
    "changed agent:main:a g2 r2",
    "bookmark",
  ]);
  const again = await toldOnce(client, { resumeToken: told.at(-1)?.resumeToken ?? "" });
  expect(again.map(seen)).toEqual(["bookmark"]);
});

test("a follower of another replica comes to the position that was told, with all that was told", async () => {
  const { tenant, client, resolve } = await watchedTenant(database.open());
  const other = (await startReplica(database.open())).client("delivery", { tenant: "" });
  const bookmarkInterval = durationFromMs(50);
  const follower = watching(other, { skipSnapshot: true, bookmarkInterval });
  await follower.next();
  await resolve("a");
  await resolve("b");
  const end = (await toldOnce(client)).at(-1)?.position ?? 0n;
  const followed: string[] = [];
  for (let position = 0n; position < end; ) {
    const message = await follower.next();
    ({ position } = message);
    if (message.tenant === tenant) followed.push(seen(message));
  }
  expect(followed).toEqual(["changed agent:main:a g1 r1", "changed agent:main:b g1 r1"]);
});

test("all tenants are a service's own to watch: not a credential's, whatever it shows", async () => {
  const { replica } = await watchedTenant(database.open());
  const scopes = ["operator"];
  for (const peer of ["ingress", "delivery"] as const) {
    const client = replica.client(peer, { tenant: "" });
    const refused = watching(client, { skipSnapshot: true }, { scopes }).next();
    expect(await failure(refused)).toMatchObject({ reason: "PERMISSION_DENIED" });
  }
});

test("no tenant is shown another's, at first and later", async () => {
  const { replica, client, resolve } = await watchedTenant(database.open());
  const neighbour = replica.client("ingress", { tenant: await newTenant(replica.client("cli")) });
  const name = { case: "rawKey", value: "theirs" } as const;
  await neighbour.resolveSession({ name });
  await resolve("ours");
  const watch = watching(client, {});
  expect(seen(await watch.next())).toBe("snapshot agent:main:ours g1 r1");
  expect(seen(await watch.next())).toBe("snapshotEnd");
  await neighbour.resolveSession({ name: { ...name, value: "their-second" } });
  await resolve("our-second");
  expect(seen(await watch.next())).toBe("changed agent:main:our-second g1 r1");
});

test("a credential that is confined to key prefixes is shown nothing else", async () => {
  const { replica, tenant, resolve } = await watchedTenant(database.open());
  await resolve("web:1");
  await resolve("other");
  const credential = { scopes: ["operator"], keyPrefixes: ["agent:main:web:"] };
  const watch = watching(replica.client("ingress", { tenant }), {}, credential);
  expect(seen(await watch.next())).toBe("snapshot agent:main:web:1 g1 r1");
  expect(seen(await watch.next())).toBe("snapshotEnd");
  await resolve("another");
  await resolve("web:2");
  expect(seen(await watch.next())).toBe("changed agent:main:web:2 g1 r1");
});

test("bookmarks come as often as was asked, and no interval beyond the bounds", async () => {
  const { client } = await watchedTenant(database.open());
  const watch = watching(client, { skipSnapshot: true, bookmarkInterval: durationFromMs(50) });
  for (let n = 0; n < 4; n += 1) expect(seen(await watch.next())).toBe("bookmark");
  for (const ms of [0, 49, 15_001]) {
    const refused = watching(client, { bookmarkInterval: durationFromMs(ms) }).next();
    expect(await failure(refused)).toMatchObject({ reason: "INVALID_REQUEST" });
  }
});

test("between two tokens comes what the one had been told and the other had not, and no more", async () => {
  const { client, resolve, reset } = await watchedTenant(database.open());
  const [, start] = [await resolve("a"), (await toldOnce(client)).at(-1)];
  await Promise.all(["b", "c", "d"].map(resolve));
  const resumeToken = start?.resumeToken ?? "";
  const follower = watching(client, { resumeToken });
  const followed = [await follower.next(), await follower.next(), await follower.next()];
  const until = (await toldOnce(client, { skipSnapshot: true })).at(-1);
  await reset("a", "1");
  const between = await toldOnce(client, { resumeToken, untilToken: until?.resumeToken ?? "" });
  // What was written at the same moment comes in any order.
  expect(between.map(seen).slice(0, -1).sort()).toEqual(followed.map(seen).sort());
  expect(between.map(seen).at(-1)).toBe("bookmark");
  expect(between.at(-1)).toMatchObject({ position: until?.position ?? 0n, isBoundary: true });
  const further = watching(client, { resumeToken: between.at(-1)?.resumeToken ?? "" });
  expect(seen(await further.next())).toBe("changed agent:main:a g2 r2");
});

test("the last change of a batch is a boundary, one in the middle of a step is none", async () => {
  const { client, resolve } = await watchedTenant(database.open());
  const follower = watching(client, { skipSnapshot: true });
  const { position: before, resumeToken } = await follower.next();
  await resolve("a");
  const last = await follower.next();
  expect(last).toMatchObject({ isBoundary: true });
  expect(last.position).toBeGreaterThan(before);
  const until = { resumeToken, untilToken: last.resumeToken };
  expect((await toldOnce(client, until)).map(seen)).toEqual([seen(last), "bookmark"]);
  const inStep = (await toldOnce(client, { resumeToken }))[0];
  expect(inStep).toMatchObject({ isBoundary: false, position: before });
  for (const request of [
    { resumeToken, untilToken: inStep?.resumeToken ?? "" },
    { resumeToken: inStep?.resumeToken ?? "", untilToken: last.resumeToken },
    { untilToken: last.resumeToken },
  ]) {
    const reason = "INVALID_REQUEST";
    await expect(toldOnce(client, request)).rejects.toMatchObject({ reason });
  }
});
