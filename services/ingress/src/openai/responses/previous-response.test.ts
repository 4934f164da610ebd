import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ask } from "../../testing/ask.ts";
import { holdTurn } from "../../testing/stand-in-runner.ts";
import { startTestIngress, type TestIngress } from "../../testing/test-ingress.ts";

let lane: TestIngress;

beforeEach(async () => {
  lane = await startTestIngress();
});

afterEach(async () => {
  await lane[Symbol.asyncDispose]();
});

const KITCHEN = { headers: { "x-session-key": "kitchen" } };

describe("previous_response_id", () => {
  const create = (body: object, headers = {}) =>
    ask(lane, { path: "/v1/responses", body: { model: "lanekeeper", ...body }, headers });
  const idOf = ({ json }: { json: unknown }) => (json as { id: string }).id;

  test("of a response with a session goes on in it", async () => {
    const first = await create({ input: "one" }, KITCHEN.headers);
    const second = await create({ input: "two", previous_response_id: idOf(first) });
    expect(second.headers["x-session-key"]).toBe("agent:main:kitchen");
    expect(second.json).toMatchObject({ previous_response_id: idOf(first) });
    expect(lane.runner.last.submit.messages).toHaveLength(1);
  });

  test("beside a key must be of its session, and opens none where it is not", async () => {
    const first = await create({ input: "one" }, KITCHEN.headers);
    const previous = { input: "two", previous_response_id: idOf(first) };
    expect((await create(previous, KITCHEN.headers)).status).toBe(200);
    const other = await create(previous, { "x-session-key": "garden" });
    expect(other.status).toBe(400);
    expect(other.json).toMatchObject({ error: { param: "previous_response_id" } });
    expect([...lane.identity.sessions.keys()]).toEqual(["agent:main:kitchen"]);
  });

  test("of one without a session brings along what was said, from the first on", async () => {
    const first = await create({ input: "one", instructions: "Be brief." });
    const second = await create({ input: "two", previous_response_id: idOf(first) });
    const third = await create({ input: "three", previous_response_id: idOf(second) });
    expect(third.headers["x-lane-disposition"]).toBe("stateless");
    const texts = lane.runner.last.submit.messages.map(({ parts }) => parts[0]?.content.value);
    expect(texts).toEqual(["one", "Hello, world", "two", "Hello, world", "three"]);
    expect(lane.runner.last.submit.parameters).not.toHaveProperty("instructions");
    const expecting = { "x-expect-generation": "1" };
    const body = { input: "four", previous_response_id: idOf(third) };
    expect((await create(body, expecting)).json).toMatchObject({
      error: { param: "x-expect-generation" },
    });
  });

  test("of a response with a session may expect a generation of it", async () => {
    const first = await create({ input: "one" }, KITCHEN.headers);
    const body = { input: "two", previous_response_id: idOf(first) };
    expect((await create(body, { "x-expect-generation": "1" })).status).toBe(200);
    expect((await create(body, { "x-expect-generation": "7" })).status).toBe(409);
  });

  test("of one without a session and without an answer is refused", async () => {
    lane.runner.script = holdTurn;
    const held = new AbortController();
    const waiting = ask(lane, {
      path: "/v1/responses",
      body: { model: "lanekeeper", input: "one" },
      signal: held.signal,
    }).catch(() => undefined);
    await expect.poll(() => lane.runner.turns.length).toBe(1);
    const id = `resp_${lane.runner.last.turnId}`;
    const { status, json } = await create({ input: "two", previous_response_id: id });
    expect(status).toBe(400);
    expect(json).toMatchObject({
      error: { message: expect.stringContaining("not been answered") },
    });
    held.abort();
    await waiting;
  });

  test("a repeat under the same idempotency key joins, though its previous response is gone", async () => {
    const first = await create({ input: "one" }, KITCHEN.headers);
    const body = { input: "two", previous_response_id: idOf(first) };
    const key = { "idempotency-key": "k1" };
    const second = await create(body, key);
    lane.runner.turns.splice(0, 1);
    const again = await create(body, key);
    expect(again.headers["x-lane-disposition"]).toBe("joined");
    expect(idOf(again)).toBe(idOf(second));
  });
});
