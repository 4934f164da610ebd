import { OnFailure } from "@lanekeeper/protocol/lanekeeper/delivery/v1/route";
import { RedriveGeneration } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery_service";
import { eventually } from "@lanekeeper/testing";
import { expect, test } from "vitest";
import { placeDigest } from "../domain/route-place.ts";
import { QUICK } from "../testing/test-delivery.ts";
import { testSending } from "../testing/test-sending.ts";
import { reply, untilState } from "../testing/replies.ts";

const world = testSending();

const NUMBER = "4915112345678";
const KEY = `agent:main:sms:direct:${NUMBER}`;
const WORDS = "the cat sleeps on Tuesdays";

/** Tables that tell of no conversation, and why what they hold may stay. */
const OF_NO_CONVERSATION: Readonly<Record<string, string>> = {
  channel_accounts: "the tenant's accounts",
  moved_addresses: "ids of groups and channels, which name nobody; 30 days",
  paces: "a hash of a chat's address, for an hour",
};

async function tables(): Promise<readonly string[]> {
  const { rows } = await world.db.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables
     WHERE table_schema = current_schema() AND table_name NOT LIKE '%migration%' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

/** The tables of which a row holds this, whatever the column and its type. */
async function tablesWith(text: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const table of await tables()) {
    const { rows } = await world.db.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM ${table} t WHERE strpos(t::text, $1) > 0 OR strpos(t::text, $2) > 0`,
      [text, Buffer.from(text).toString("hex")],
    );
    if ((rows[0]?.n ?? 0) > 0) found.push(table);
  }
  return found;
}

/** A conversation of which every table has something. */
async function spokenWith() {
  const { startReplica, sink, identity } = world;
  const limits = { ...QUICK, erasureSweepMs: 20, comesBackMs: 0 };
  const replica = await startReplica({ limits });
  const runner = replica.as("runner");
  const address = `${sink.url}?to=${NUMBER}`;
  const registered = await runner.registerRoute({
    ...{ sessionKey: KEY, kind: 1, address, source: `sms of ${NUMBER}`, isDefault: true },
    policy: { onFailure: OnFailure.BLOCK },
  });
  const routeId = registered.route?.routeId ?? "";
  await replica.as("cli").rotateSigningSecret({ routeId, requestId: `rotated-for-${NUMBER}` });
  const say = (turn: string, text = WORDS) => {
    const said = reply(routeId, turn, text);
    return runner.enqueueDelivery({ ...said, session: { ...said.session, sessionKey: KEY } });
  };
  const sent = await say("sent");
  await untilState(runner, sent.deliveryId, "SENT");
  sink.always({ status: 410, body: `${NUMBER} does not take: ${WORDS}` });
  const dead = await say("dead");
  // However many attempts it takes, on a busy machine.
  const attemptsOfDead = (more: number) =>
    eventually(async () => {
      const { delivery, attempts } = await runner.getDelivery({ deliveryId: dead.deliveryId });
      return delivery?.endTime !== undefined && attempts.length > more && attempts.length;
    });
  const attempts = await attemptsOfDead(0);
  const note = `asked by ${NUMBER}: ${WORDS}`;
  const redrive = { requestId: `again-${NUMBER}`, generation: RedriveGeneration.OWN, note };
  await runner.redriveDelivery({ ...redrive, deliveryId: dead.deliveryId });
  await attemptsOfDead(attempts);
  // Behind it, since it holds the route.
  const waiting = await say("waiting");
  const place = placeDigest({ kind: 1, accountId: "", address, threadId: "" }).toString("hex");
  const ids = [routeId, sent.deliveryId, dead.deliveryId, waiting.deliveryId];
  return { runner, identity, address, place, ids };
}

test("nothing of a conversation is left in any column of any table", async () => {
  const { runner, identity, address, place, ids } = await spokenWith();
  const other = await runner.registerRoute({
    ...{ sessionKey: "agent:main:other", kind: 1, address: world.sink.url },
  });
  const traces = [NUMBER, KEY, WORDS, address, place, ...ids];
  const before = new Set((await Promise.all(traces.map(tablesWith))).flat());
  // A table that is new has to be filled by this test, or to stand above with its reason.
  const filled = (await tables()).filter((table) => OF_NO_CONVERSATION[table] === undefined);
  expect([...before].toSorted()).toEqual(filled);

  const { erasureId } = identity.erasures.add({
    keys: [{ sessionKey: KEY, throughGeneration: 1n }],
  });
  await eventually(() => identity.erasures.reported.includes(erasureId));
  for (const trace of traces) expect([trace, await tablesWith(trace)]).toEqual([trace, []]);
  const { routes } = await runner.listRoutes({ sessionKey: "agent:main:other" });
  expect(routes.map(({ routeId }) => routeId)).toEqual([other.route?.routeId]);
});
