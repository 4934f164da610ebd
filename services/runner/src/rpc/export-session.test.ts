import { expect, test } from "vitest";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import type { Replica } from "../testing/world.ts";
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
