import { expect, test } from "vitest";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import type { Replica, World } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

type Asked = Parameters<Replica["client"]["exportSession"]>[0]["session"] & object;

async function exported(replica: Replica, session: Asked) {
  const parts: Uint8Array[] = [];
  for await (const { lines } of replica.client.exportSession({ session })) parts.push(lines);
  const text = Buffer.concat(parts).toString("utf8");
  expect(text.endsWith("\n")).toBe(true);
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("an export has every generation of a key, each behind its session, and says that it is whole", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const first = world.identity.ref(TENANT, KEY);
  const one = new Attached(replica, { submit: turnFor(world, "one") });
  await one.ended;
  const second = world.identity.rotate(TENANT, KEY, { parentSessionId: first.sessionId });
  await new Attached(replica, { submit: turnFor(world, "two\nlines") }).ended;
  const lines = await exported(replica, { case: "sessionKey", value: KEY });
  expect(lines.map(({ type }) => type)).toEqual(
    "session message message session message message end".split(" "),
  );
  expect(lines[0]).toEqual({
    type: "session",
    sessionKey: KEY,
    sessionId: first.sessionId,
    generation: "1",
  });
  expect(lines[1]).toMatchObject({
    seq: "1",
    turnId: one.turnId,
    principal: "p1",
    message: { role: "ROLE_USER", parts: [{ text: "one" }] },
  });
  expect(lines[3]).toMatchObject({ generation: "2", parentSessionId: first.sessionId });
  expect(lines.at(-1)).toEqual({ type: "end", messages: 4 });
  const ofOne = await exported(replica, { case: "sessionId", value: second.sessionId });
  expect(ofOne.slice(0, -1)).toEqual(lines.slice(3, -1));
});

test("a long transcript comes in parts, a page of it in memory, and an unknown key is empty", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  const { sessionId } = world.identity.ref(TENANT, KEY);
  await world.db.query(`INSERT INTO sessions VALUES ($1, $2, $3, 1, '', '', 250)`, [
    TENANT,
    sessionId,
    KEY,
  ]);
  await world.db.query(
    `INSERT INTO messages SELECT $1, $2, n, gen_random_uuid(), 2, 'p', '', now() FROM generate_series(1, 250) n`,
    [TENANT, sessionId],
  );
  const lines = await exported(replica, { case: "sessionKey", value: KEY });
  expect(lines.slice(1, -1).map(({ seq }) => Number(seq))).toEqual(
    Array.from({ length: 250 }, (_, n) => n + 1),
  );
  expect(replica.statements().get("runner_messages_of_key")).toBe(3);
  expect(await exported(replica, { case: "sessionKey", value: "agent:main:other" })).toEqual([
    { type: "end", messages: 0 },
  ]);
});

async function longTranscript(world: World, generation: number): Promise<string> {
  const sessionId = `s-${generation}`;
  const about = [TENANT, sessionId, KEY, generation];
  await world.db.query("INSERT INTO sessions VALUES ($1, $2, $3, $4, '', '', 150)", about);
  await world.db.query(
    `INSERT INTO messages SELECT $1, $2, n, gen_random_uuid(), 2, 'p', '', now() FROM generate_series(1, 150) n`,
    [TENANT, sessionId],
  );
  return sessionId;
}

const forget = async (world: World, sessionId: string, throughSeq = 150): Promise<void> => {
  const gone = [sessionId, throughSeq];
  await world.db.query("DELETE FROM messages WHERE session_id = $1 AND seq <= $2", gone);
  if (throughSeq >= 150) {
    await world.db.query("DELETE FROM sessions WHERE session_id = $1", [sessionId]);
  }
};

test.each([
  ["between two of its pages", "runner_messages_of_key", 2],
  ["once its first page is read", "runner_read_session", 1],
])(
  "an export of a session that is removed %s does not say that it is whole",
  async (_when, statement, nth) => {
    await using world = await worlds.start();
    let asked = 0;
    const beforeStatement = async (name: string): Promise<void> => {
      if (name !== statement || (asked += 1) !== nth) return;
      await forget(world, "s-1");
    };
    const replica = await world.replica({ beforeStatement });
    await longTranscript(world, 1);
    await longTranscript(world, 2);
    const { reason } = await exported(replica, { case: "sessionKey", value: KEY }).then(
      () => ({ reason: "none" }),
      (error: { readonly reason: string }) => error,
    );
    expect([asked >= nth, reason]).toEqual([true, "NOT_FOUND"]);
  },
);

test("a session whose beginning is removed already is not told of at all", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  const [first, second] = [await longTranscript(world, 1), await longTranscript(world, 2)];
  await forget(world, first, 100);
  const lines = await exported(replica, { case: "sessionKey", value: KEY });
  expect(lines[0]).toMatchObject({ type: "session", sessionId: second });
  expect(lines.at(-1)).toEqual({ type: "end", messages: 150 });
});
