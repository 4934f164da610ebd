import { afterEach, beforeEach, expect, test } from "vitest";
import { ask } from "../../testing/ask.ts";
import { startTestIngress, type TestIngress } from "../../testing/test-ingress.ts";

let lane: TestIngress;

beforeEach(async () => {
  lane = await startTestIngress({ limits: { maxReferredResponses: 2 } });
});

afterEach(async () => {
  await lane[Symbol.asyncDispose]();
});

const KITCHEN = { "x-session-key": "kitchen" };
const NOBODYS = "msg_01900000-0000-7000-8000-00000000dead";

const create = (input: unknown, headers: Record<string, string> = {}, more: object = {}) =>
  ask(lane, { path: "/v1/responses", body: { model: "lanekeeper", input, ...more }, headers });
const user = (content: string) => ({ role: "user", content });
const named = (id: string) => ({ type: "item_reference", id });

/** The item of an answer. */
async function said(...asked: Parameters<typeof create>): Promise<string> {
  const { json } = await create(...asked);
  return (json as { output: { id: string }[] }).output[0]?.id ?? "";
}

function sent() {
  const { messages } = lane.runner.last.submit;
  return (messages ?? []).map(({ parts }) => parts?.[0]?.content?.value);
}

test.each([
  ["with a session", KITCHEN],
  ["without a session", {}],
])("items that were told stand where they are named, %s", async (_what, headers) => {
  const first = await said("one", headers);
  const second = await said([user("one"), named(first), user("two")], headers);
  await said([user("one"), named(first), user("two"), named(second), user("three")], headers);
  expect(sent()).toEqual(["one", "Hello, world", "two", "Hello, world", "three"]);
});

test("what is not known is refused, whether it is not there, kept from all, another's or no id of ours", async () => {
  const hidden = await said("one", {}, { store: false });
  const other = lane.credentials.add("lk_test_key_of_another_987654321", { principal: "other" });
  const others = await said("one", { authorization: `Bearer ${other}` });
  const turns = lane.runner.turns.length;
  for (const id of [NOBODYS, hidden, others, "rs_1", `${NOBODYS}_1`]) {
    const { status, json } = await create([named(id), user("two")], KITCHEN);
    expect([status, json]).toMatchObject([400, { error: { param: "input[0].id" } }]);
  }
  expect(lane.runner.turns.length).toBe(turns);
});

test("items of more responses than are read for one request are refused", async () => {
  const ids = [await said("one"), await said("two"), await said("three")];
  const { status, json } = await create([...ids.map(named), user("four")]);
  expect([status, json]).toMatchObject([400, { error: { param: "input" } }]);
  expect((await create([...ids.slice(1).map(named), user("four")])).status).toBe(200);
});

test("a repeat under the same idempotency key joins, though what it names is gone", async () => {
  const input = [user("one"), named(await said("one")), user("two")];
  const key = { "idempotency-key": "k1" };
  await create(input, key);
  lane.runner.turns.splice(0, 1);
  const again = await create(input, key);
  expect(again.headers["x-lane-disposition"]).toBe("joined");
  expect((await create(input)).status).toBe(400);
});
