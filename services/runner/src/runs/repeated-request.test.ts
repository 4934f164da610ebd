import { Disposition } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { Attached, turnFor } from "../testing/requests.ts";
import { testWorlds } from "../testing/test-worlds.ts";
import { refusal } from "../testing/reading.ts";

const worlds = testWorlds();

test.concurrent("the same request joins its turn, other content under its key is refused", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  const submit = turnFor(world, "once", { idempotencyKey: "key-1" });
  const first = new Attached(replica, { submit });
  await first.ended;
  const again = new Attached(replica, { submit });
  const ended = await again.ended;
  expect(again.turnId).toBe(first.turnId);
  expect(again.events[0]?.event).toMatchObject({ value: { disposition: Disposition.JOINED } });
  expect(ended.reply && textOf(ended.reply)).toBe("echo: once");
  expect(again.text).toBe("echo: once");
  expect(world.model.asked.length).toBe(1);
  const other = turnFor(world, "twice", { idempotencyKey: "key-1" });
  expect((await refusal(replica.client.submitTurn(other))).reason).toBe("IDEMPOTENCY_MISMATCH");
  const fingerprint = submit.fingerprint ?? new Uint8Array();
  const found = await replica.client.findTurn({ idempotencyKey: "key-1", fingerprint });
  expect(found.turn?.turnId).toBe(first.turnId);
});

test.concurrent("a door that repeats its own submission is told what it was told first; a client's retry has joined", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  const submit = turnFor(world, "once", { idempotencyKey: "minted", keyIsGenerated: true });
  const told = async (more: object) =>
    (await replica.client.submitTurn({ ...submit, ...more })).disposition;
  expect(await told({})).toBe(Disposition.STARTED);
  expect(await told({})).toBe(Disposition.STARTED);
  expect(await told({ clientRetryCount: 1 })).toBe(Disposition.JOINED);
  expect(world.model.asked.length).toBeLessThanOrEqual(1);
});

test.concurrent("twenty racers with one key are one turn", async () => {
  const { world, replica } = await worlds.withMain();
  await using _ = world;
  const submit = turnFor(world, "race", { idempotencyKey: "race" });
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => replica.client.submitTurn(submit)),
  );
  expect(new Set(answers.map(({ turnId }) => turnId)).size).toBe(1);
  expect(answers.filter(({ disposition }) => disposition !== Disposition.JOINED).length).toBe(1);
});
