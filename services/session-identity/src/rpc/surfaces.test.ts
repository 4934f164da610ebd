import { RunOutcome } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { PeerKind, type PeerSchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/key";
import { expect, test } from "vitest";
import { begin, failure, newTenant } from "../testing/calls.ts";
import { testDatabase } from "../testing/database.ts";
import { startReplica } from "../testing/identity.ts";

/** What chat surfaces do to the names of a conversation, which stays one. */
const database = testDatabase();

type Named = MessageInitShape<typeof PeerSchema>;

async function start() {
  const db = database.open();
  const replica = await startReplica(db);
  const tenant = await newTenant(replica.client("cli"));
  const adapter = replica.client("ingress", { tenant });
  const runner = replica.client("runner", { tenant });
  const sessionOf = async (peer: Named) =>
    (await adapter.resolveSession({ name: { case: "peer", value: peer } })).session?.ref;
  /** As if all that stands there had stood there for an hour. */
  const age = () =>
    db.query(
      "update session_keys set create_time = create_time - interval '1 hour' where tenant = $1",
      [tenant],
    );
  return { adapter, runner, sessionOf, age };
}

const telegram = (peerId: string, threadId = "") => ({
  ...{ channel: "telegram", kind: PeerKind.GROUP, peerId, threadId },
});
const whatsapp = (peerId: string) => ({ channel: "whatsapp", kind: PeerKind.DIRECT, peerId });
const slack = (peerId: string, kind: PeerKind) => ({
  ...{ channel: "slack", accountId: "T1", kind, peerId },
});

test("a Telegram supergroup upgrade whose first message comes before its migration notice", async () => {
  const { adapter, sessionOf, age } = await start();
  const [group, supergroup] = [telegram("-4242"), telegram("-1001234567890")];
  const before = await sessionOf(group);
  await age();
  const raced = await sessionOf(supergroup);
  expect(raced).not.toEqual(before);
  const notice = { peer: supergroup, sameAs: group, source: "telegram/1" };
  const { merged } = await adapter.registerEquivalence(notice);
  expect(merged).toMatchObject({
    sessionKey: raced?.sessionKey,
    survivorSessionKey: before?.sessionKey,
  });
  for (const peer of [group, supergroup]) expect(await sessionOf(peer)).toEqual(before);
  await adapter.registerEquivalence(notice);
  expect(await sessionOf(supergroup)).toEqual(before);
});

test("a migration notice that comes while the first message's turn runs is told to ask again, and then merges", async () => {
  const { adapter, runner, sessionOf, age } = await start();
  const [group, supergroup] = [telegram("-4242"), telegram("-1001234567890")];
  const before = await sessionOf(group);
  await age();
  const raced = await sessionOf(supergroup);
  const run = begin(raced?.sessionKey ?? "");
  const { fence } = await runner.beginRun(run);
  const notice = { peer: supergroup, sameAs: group };
  expect((await failure(adapter.registerEquivalence(notice))).reason).toBe("SESSION_BUSY");
  expect(await sessionOf(supergroup)).toEqual(raced);
  await runner.writeLifecycle({
    writer: { case: "run", value: fence ?? {} },
    event: { case: "ended", value: { outcome: RunOutcome.COMPLETED } },
  });
  await adapter.registerEquivalence(notice);
  for (const peer of [group, supergroup]) expect(await sessionOf(peer)).toEqual(before);
});

test("topics of a Telegram group go on in the supergroup", async () => {
  const { adapter, sessionOf } = await start();
  const before = await sessionOf(telegram("-4242", "7"));
  await adapter.registerEquivalence({
    peer: telegram("-1001234567890"),
    sameAs: telegram("-4242"),
  });
  expect(await sessionOf(telegram("-1001234567890", "7"))).toEqual(before);
});

test("a WhatsApp LID that is linked to its number later, on every device", async () => {
  const { adapter, sessionOf } = await start();
  const [lid, number] = [whatsapp("199887766:3@lid"), whatsapp("4915112345678:2@s.whatsapp.net")];
  const before = await sessionOf(lid);
  await adapter.registerEquivalence({ peer: number, sameAs: lid });
  const spellings = ["199887766@lid", "+49 151 1234-5678", "4915112345678@c.us", "199887766:9@lid"];
  for (const id of spellings) expect(await sessionOf(whatsapp(id))).toEqual(before);
});

test("a Slack direct message under two ids, in either case", async () => {
  const { adapter, sessionOf } = await start();
  const before = await sessionOf(slack("D0123", PeerKind.DIRECT));
  const [user, channel] = [slack("U0456", PeerKind.DIRECT), slack("D0123", PeerKind.DIRECT)];
  await adapter.registerEquivalence({ peer: user, sameAs: channel });
  expect(await sessionOf(slack("u0456", PeerKind.DIRECT))).toEqual(before);
});

test("a Slack channel made private keeps its id, and events that call it a group lead to the same session", async () => {
  const { sessionOf } = await start();
  const before = await sessionOf(slack("C0777", PeerKind.CHANNEL));
  expect(before?.sessionKey).toBe("agent:main:slack:T1:channel:C0777");
  expect(await sessionOf(slack("C0777", PeerKind.GROUP))).toEqual(before);
});
