import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { expect, test } from "vitest";
import { textOf } from "../domain/message-text.ts";
import { applyMain, Attached, KEY, turnFor } from "../testing/requests.ts";
import type { Replica } from "../testing/world.ts";
import { testWorlds } from "../testing/test-worlds.ts";

const worlds = testWorlds();

test.concurrent("two replicas on one database never run two turns of a lane at once", async () => {
  await using world = await worlds.start();
  const replicas = [await world.replica(), await world.replica()];
  const [a, b] = replicas as [Replica, Replica];
  await applyMain(a);
  const running = new Map<string, number>();
  let most = 0;
  world.model.behaviour = async function* ({ messages }) {
    const last = messages.at(-1);
    const lane = (last === undefined ? "" : textOf(last)).split(" ")[0] ?? "";
    running.set(lane, (running.get(lane) ?? 0) + 1);
    most = Math.max(most, running.get(lane) ?? 0);
    yield { type: "text", text: "ok" };
    await new Promise((resolve) => setImmediate(resolve));
    running.set(lane, (running.get(lane) ?? 0) - 1);
    yield { type: "end", finishReason: "stop", inputTokens: 1, outputTokens: 1, model: "double" };
  };
  const keys = ["agent:main:l1", "agent:main:l2", "agent:main:l3"];
  const attached = Array.from({ length: 45 }, (_, index) => {
    const key = keys[index % 3] ?? KEY;
    const submit = turnFor(world, `${key} ${index}`, { key });
    return new Attached(index % 2 === 0 ? a : b, { submit });
  });
  const ended = await Promise.all(attached.map((one) => one.ended));
  expect(ended.every(({ state }) => state === TurnState.COMPLETED)).toBe(true);
  expect(most).toBe(1);
  for (const key of keys) {
    const { messages } = await a.client.listMessages({
      session: { case: "sessionKey", value: key },
      pageSize: 500,
    });
    expect(messages.length).toBe(30);
    const { turns } = await a.client.listTurns({ sessionKey: key });
    const bySeq = turns
      .toSorted((x, y) => (x.laneSeq < y.laneSeq ? -1 : 1))
      .map(({ turnId }) => turnId);
    expect(messages.filter((_, index) => index % 2 === 0).map(({ turnId }) => turnId)).toEqual(
      bySeq,
    );
  }
});
