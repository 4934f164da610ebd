import { create, toBinary } from "@bufbuild/protobuf";
import { MessageSchema, Role } from "@lanekeeper/protocol/lanekeeper/runner/v1/message";
import { expect, test } from "vitest";
import { applyMain, Attached, KEY, TENANT, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

/** A message of 3 MiB, as it is stored. */
const LARGE = Buffer.from(
  toBinary(
    MessageSchema,
    create(MessageSchema, {
      role: Role.USER,
      parts: [{ content: { case: "text", value: "x".repeat(3 * 1024 * 1024) } }],
    }),
  ),
);

test("messages that are too large for one answer are listed and exported page by page, none left out", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  const { sessionId } = world.identity.ref(TENANT, KEY);
  await world.db.query(`INSERT INTO sessions VALUES ($1, $2, $3, 1, '', '', 7)`, [
    ...[TENANT, sessionId, KEY],
  ]);
  await world.db.query(
    `INSERT INTO messages SELECT $1, $2, n, gen_random_uuid(), 2, 'p', $3, now() FROM generate_series(1, 7) n`,
    [TENANT, sessionId, LARGE],
  );
  for (const session of [
    { case: "sessionKey", value: KEY },
    { case: "sessionId", value: sessionId },
  ] as const) {
    const listed: number[] = [];
    let pages = 0;
    for (let pageToken = ""; pages === 0 || pageToken !== ""; pages += 1) {
      const page = await replica.client.listMessages({ session, pageToken });
      listed.push(...page.messages.map(({ seq }) => Number(seq)));
      pageToken = page.nextPageToken;
    }
    expect(listed).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(pages).toBe(3);
  }
  let exported = "";
  const session = { case: "sessionKey", value: KEY } as const;
  for await (const { lines } of replica.client.exportSession({ session })) {
    exported += Buffer.from(lines).toString("utf8");
  }
  expect(JSON.parse(exported.trimEnd().split("\n").at(-1) ?? "")).toEqual({
    type: "end",
    messages: 7,
  });
});

test("turns whose replies are too large for one answer are listed on several pages, none left out", async () => {
  await using world = await worlds.start();
  const replica = await world.replica();
  await applyMain(replica);
  const turnIds: string[] = [];
  for (const text of ["a", "b", "c", "d", "e", "f"]) {
    const attached = new Attached(replica, { submit: turnFor(world, text) });
    await attached.ended;
    turnIds.unshift(attached.turnId);
  }
  await world.db.query("UPDATE turns SET reply = $1", [LARGE]);
  const listed: string[] = [];
  let pages = 0;
  for (let pageToken = ""; pages === 0 || pageToken !== ""; pages += 1) {
    const page = await replica.client.listTurns({ sessionKey: KEY, pageToken });
    listed.push(...page.turns.map(({ turnId }) => turnId));
    pageToken = page.nextPageToken;
  }
  expect(listed).toEqual(turnIds);
  expect(pages).toBe(2);
});
