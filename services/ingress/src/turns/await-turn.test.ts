import { TurnState } from "@lanekeeper/protocol/lanekeeper/runner/v1/turn";
import { LanekeeperError } from "@lanekeeper/rpc";
import { recordSpans } from "@lanekeeper/service/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ask, HELLO } from "../testing/ask.ts";
import { holdTurn } from "../testing/stand-in-runner.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;

beforeEach(async () => {
  lane = await startTestIngress({ limits: { awaitMs: 60_000 } });
});

afterEach(async () => {
  await lane[Symbol.asyncDispose]();
});

const KEYED = { headers: { "x-session-key": "kitchen" } };
const WAITED_ONCE = /lanekeeper_turn_queue_wait_seconds_count\S* 1\b/;

/** Plain requests by what became of their wait in the call. */
const waits = async (result: string, at = lane) => {
  const counted = new RegExp(`plain_waits_total\\{result="${result}"\\S* (\\d+)`);
  return Number(counted.exec(await at.metrics())?.[1]);
};

const turnCalls = ({ runner } = lane) =>
  runner.calls.map(({ method }) => method).filter((method) => method.endsWith("Turn"));

test("an answer that comes soon takes one call, and one that is streamed none of these", async () => {
  const { status, json, headers } = await ask(lane, KEYED);
  expect([status, json]).toMatchObject([
    200,
    { choices: [{ message: { content: "Hello, world" } }], lanekeeper: { disposition: "started" } },
  ]);
  const { turnId } = lane.runner.last;
  expect(headers).toMatchObject({ "x-turn-id": turnId, "x-lane-disposition": "started" });
  expect(turnCalls()).toEqual(["awaitTurn"]);
  await expect.poll(() => lane.requests.entries[0]).toMatchObject({ turnId });
  await ask(lane, { ...KEYED, body: { ...HELLO, stream: true } });
  expect(turnCalls()).toEqual(["awaitTurn", "attachTurn"]);
  expect([await waits("ended"), await waits("followed")]).toEqual([1, 0]);
});

test("one that does not is attached to by its id, and told whole", async () => {
  await using spans = await recordSpans();
  await using other = await startTestIngress({ limits: { awaitMs: 1 } });
  other.runner.script = holdTurn;
  const answer = ask(other, KEYED);
  await expect.poll(() => turnCalls(other)).toEqual(["awaitTurn", "attachTurn"]);
  expect(other.runner.calls.at(-1)?.request).toMatchObject({
    target: { case: "turnId", value: other.runner.last.turnId },
    wholeAnswer: true,
  });
  other.runner.last.begin().say("Slow").complete();
  const { json, headers } = await answer;
  expect(json).toMatchObject({ choices: [{ message: { content: "Slow" } }] });
  expect(headers["x-lane-disposition"]).toBe("started");
  await expect.poll(() => other.metrics()).toMatch(WAITED_ONCE);
  expect([await waits("ended", other), await waits("followed", other)]).toEqual([0, 1]);
  const root = () => spans.finished().find(({ name }) => name === "POST /v1/chat/completions");
  await expect.poll(root).toBeDefined();
  expect(root()?.events).toMatchObject([
    {
      name: "turn left AwaitTurn for a stream",
      attributes: { "lanekeeper.wait": "followed", "lanekeeper.turn_id": other.runner.last.turnId },
    },
  ]);
});

test("what the turn waited is measured where it began within the call too", async () => {
  await ask(lane, KEYED);
  await expect.poll(() => lane.metrics()).toMatch(WAITED_ONCE);
});

test("a refusal is told as it is, and nothing is asked again", async () => {
  lane.runner.refusal = new LanekeeperError("QUEUE_FULL", "128 turns wait", {
    retryAfterMs: 1_000,
  });
  const { status, json } = await ask(lane, KEYED);
  expect([status, json]).toMatchObject([429, { error: { code: "QUEUE_FULL" } }]);
  expect(turnCalls()).toEqual(["awaitTurn"]);
});

test("a turn that became a part of another is answered by that one", async () => {
  lane.runner.script = (turn) => {
    turn.begin().say("For both").complete();
  };
  await ask(lane, KEYED);
  const host = lane.runner.last;
  lane.runner.script = (turn) => {
    turn.end({ state: TurnState.COALESCED, intoTurnId: host.turnId });
  };
  const { json } = await ask(lane, KEYED);
  expect(json).toMatchObject({ choices: [{ message: { content: "For both" } }] });
  expect(turnCalls()).toEqual(["awaitTurn", "awaitTurn", "attachTurn"]);
  expect([await waits("ended"), await waits("followed")]).toEqual([1, 1]);
});

test("a runner of the release before is attached to at once", async () => {
  lane.runner.isOlder = true;
  const { status, json } = await ask(lane, KEYED);
  expect([status, json]).toMatchObject([
    200,
    { choices: [{ message: { content: "Hello, world" } }] },
  ]);
  expect(turnCalls()).toEqual(["attachTurn"]);
  expect(await waits("older")).toBe(1);
});

test("a call that breaks is submitted again under its key, and is one turn", async () => {
  lane.runner.script = holdTurn;
  const answer = ask(lane, KEYED);
  await expect.poll(() => lane.runner.turns.length).toBe(1);
  lane.runner.breakStreams();
  await expect.poll(() => turnCalls()).toEqual(["awaitTurn", "attachTurn"]);
  lane.runner.last.begin().say("Once").complete();
  expect((await answer).json).toMatchObject({ choices: [{ message: { content: "Once" } }] });
  expect(lane.runner.turns).toHaveLength(1);
  expect([await waits("broken"), await waits("followed")]).toEqual([1, 0]);
});

test("who hangs up leaves at once, and the turn's end finds nobody", async () => {
  lane.runner.script = holdTurn;
  const leaving = new AbortController();
  const answer = ask(lane, { ...KEYED, signal: leaving.signal });
  await expect.poll(() => lane.runner.turns.length).toBe(1);
  leaving.abort();
  await expect(answer).rejects.toThrow();
  const [waiting] = lane.runner.calls;
  await expect.poll(() => waiting?.call.signal.aborted).toBe(true);
  await expect.poll(() => lane.requests.entries.length).toBe(1);
  expect(lane.requests.entries[0]).toMatchObject({ status: 499, turnId: lane.runner.last.turnId });
  expect(lane.runner.turns).toHaveLength(1);
  expect(await waits("left")).toBe(1);
});

test("a drain whose time is over names the turn that was being waited for", async () => {
  await using other = await startTestIngress({ limits: { awaitMs: 300 } });
  other.runner.script = holdTurn;
  const answer = ask(other, KEYED);
  await expect.poll(() => other.runner.turns.length).toBe(1);
  const timeUp = new AbortController();
  const drained = other.ingress.drain(timeUp.signal);
  timeUp.abort();
  const { status, json } = await answer;
  const { turnId } = other.runner.last;
  expect([status, json]).toMatchObject([
    503,
    { error: { code: "WAIT_EXPIRED", lanekeeper: { turn_id: turnId } } },
  ]);
  expect(await waits("left", other)).toBe(1);
  await drained;
});
