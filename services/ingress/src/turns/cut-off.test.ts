import { later, type LanekeeperError } from "@lanekeeper/rpc";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Ask, ask } from "../testing/ask.ts";
import { rawStream } from "../testing/raw-stream.ts";
import { holdTurn } from "../testing/stand-in-runner.ts";
import { startTestIngress, type TestIngress } from "../testing/test-ingress.ts";

let lane: TestIngress;
let openGate = (): void => undefined;

beforeEach(async () => {
  lane = await startTestIngress({ limits: { credentialFreshMs: 0 } });
});

afterEach(async () => {
  openGate();
  await lane[Symbol.asyncDispose]();
});

/** Resolves when the test says so, at its end at the latest. */
function gate(): Promise<void> {
  return new Promise((resolve) => {
    openGate = resolve;
  });
}

const SESSION = { "x-session-key": "kitchen" };
const FIRST: Ask = { headers: SESSION };
/** As the openai package asks again by itself. */
const RETRY: Ask = { headers: { ...SESSION, "x-stainless-retry-count": "1" } };

const count = (method: string) => lane.runner.calls.filter((call) => call.method === method).length;

/** Asks, and hangs up when `until` is so. */
async function cutOff(until: () => Promise<void>, more: Ask = {}): Promise<void> {
  const leaving = new AbortController();
  const answer = ask(lane, { ...FIRST, ...more, signal: leaving.signal });
  await until();
  leaving.abort();
  await expect(answer).rejects.toThrow();
}

test("a retry waits until the runner has recorded that its caller was cut off, and joins the turn", async () => {
  lane.runner.recording = gate();
  lane.runner.script = holdTurn;
  await cutOff(() => expect.poll(() => lane.runner.turns.length).toBe(1));
  await expect.poll(() => count("reportCutOff")).toBe(1);
  const { turnId } = lane.runner.last.begin().say("Yes").complete();
  const asked = ask(lane, RETRY);
  // Ingress has long read it when it has answered what was asked behind it.
  await ask(lane, { method: "GET", path: "/v1/models" });
  expect(count("awaitTurn")).toBe(1);
  openGate();
  const retried = await asked;
  expect(retried).toMatchObject({
    status: 200,
    headers: { "x-turn-id": turnId, "x-lane-disposition": "joined" },
  });
  expect(lane.runner.turns).toHaveLength(1);
  const line = () => lane.log.lines.find((one) => one["client_retry_count"] !== undefined);
  await expect.poll(line).toMatchObject({ msg: "request", client_retry_count: 1 });
  // The caller has its answer: whatever is retried from here on is something new.
  lane.runner.script = (turn) => void turn.begin().complete();
  expect((await ask(lane, RETRY)).headers).not.toMatchObject({ "x-turn-id": turnId });
  expect(lane.runner.turns).toHaveLength(2);
});

test("it joins the turn too where that takes long", async () => {
  lane.runner.recording = gate();
  lane.runner.script = holdTurn;
  await cutOff(() => expect.poll(() => lane.runner.turns.length).toBe(1));
  await expect.poll(() => count("reportCutOff")).toBe(1);
  lane.runner.last.begin().say("Yes").complete();
  expect((await ask(lane, RETRY)).status).toBe(200);
  expect(lane.runner.turns).toHaveLength(1);
});

test("so does one that comes before the turn was accepted", async () => {
  lane.runner.acceptance = gate();
  await cutOff(() => expect.poll(() => count("awaitTurn")).toBe(1));
  // Ingress has seen that, and goes on without its caller.
  await expect.poll(() => count("attachTurn")).toBe(1);
  const retried = ask(lane, RETRY);
  await expect.poll(() => count("awaitTurn")).toBe(2);
  openGate();
  expect((await retried).status).toBe(200);
  expect(lane.runner.turns).toHaveLength(1);
});

test("who asks the same once more, and is no retry, means it", async () => {
  lane.runner.recording = gate();
  lane.runner.script = holdTurn;
  await cutOff(() => expect.poll(() => lane.runner.turns.length).toBe(1));
  await expect.poll(() => count("reportCutOff")).toBe(1);
  lane.runner.script = (turn) => void turn.begin().complete();
  expect((await ask(lane, FIRST)).status).toBe(200);
  expect(lane.runner.turns).toHaveLength(2);
});

/** What was asked is answered, and nobody heard it. */
async function answeredUnheard(more: Ask = {}): Promise<string> {
  lane.runner.script = holdTurn;
  await cutOff(() => expect.poll(() => lane.runner.turns.length).toBe(1), more);
  await expect.poll(() => count("reportCutOff")).toBe(1);
  const { turnId } = lane.runner.last.begin().say("Yes").complete();
  lane.runner.script = (turn) => void turn.begin().complete();
  return turnId;
}

/** A retry of what was asked anew is a turn of its own, and so is known when that was asked. */
async function isAnother(retry: Ask): Promise<void> {
  expect((await ask(lane, retry)).status).toBe(200);
  expect(lane.runner.turns).toHaveLength(2);
  const { clientRetryCount, firstTryAge } = lane.runner.last.submit;
  expect([clientRetryCount, firstTryAge === undefined]).toEqual([1, false]);
}

test.each<[what: string, refuse: (refusal: LanekeeperError | undefined) => void]>([
  ["the runner", (refusal) => (lane.runner.refusal = refusal)],
  ["session-identity", (refusal) => (lane.identity.refusal = refusal)],
])("who asks the same anew and is refused by %s is retried as that", async (_what, refuse) => {
  await answeredUnheard();
  refuse(later("QUEUE_FULL", "no room", 1));
  expect((await ask(lane, FIRST)).status).toBe(429);
  refuse(undefined);
  await isAnother(RETRY);
});

test("so is who is over a limit, whose words nobody has read", async () => {
  const [principal, key] = ["ada", "lk_of_ada_0123456789"];
  const authorization = `Bearer ${key}`;
  const limited = (burst: number) => ({ principal, rateLimit: { requestsPerMinute: 2, burst } });
  const limit = (burst: number) => {
    lane.credentials.remove(principal);
    lane.credentials.add(key, limited(burst));
  };
  const as = (headers: Record<string, string>): Ask => ({ headers: { ...headers, authorization } });
  lane.credentials.add(key, limited(100));
  await answeredUnheard(as(SESSION));
  limit(1);
  const said = as({ ...SESSION, "x-stainless-retry-count": "0" });
  expect((await ask(lane, said)).status).toBe(429);
  limit(100);
  const before = lane.runner.turns.length;
  await ask(lane, as({ ...SESSION, "x-stainless-retry-count": "1" }));
  expect(lane.runner.turns).toHaveLength(before + 1);
  expect(lane.runner.last.submit.firstTryAge).toBeDefined();
});

test("a retry that is refused too is a retry still", async () => {
  const turnId = await answeredUnheard();
  lane.runner.refusal = later("QUEUE_FULL", "no room", 1);
  expect((await ask(lane, RETRY)).status).toBe(429);
  lane.runner.refusal = undefined;
  expect((await ask(lane, RETRY)).headers["x-turn-id"]).toBe(turnId);
  expect(lane.runner.turns).toHaveLength(1);
});

test("who hangs up while the answer is being written was cut off, and who got it whole was not", async () => {
  await ask(lane, FIRST);
  // More than the sockets between hold: it cannot have been written whole.
  const block = "x".repeat(512 * 1024);
  lane.runner.script = (turn) => {
    turn.begin();
    for (let i = 0; i < 40; i++) turn.say(block);
    turn.complete();
  };
  const toldBefore = lane.runner.told;
  const stream = rawStream(lane, { paused: true });
  await expect.poll(() => lane.runner.turns.length).toBe(2);
  await expect.poll(() => lane.runner.told).toBeGreaterThan(toldBefore + 1);
  stream.destroy();
  await expect.poll(() => count("reportCutOff")).toBe(1);
  const report = lane.runner.calls.find(({ method }) => method === "reportCutOff");
  expect(report?.request).toMatchObject({ turnId: lane.runner.last.turnId });
});

test("the process ends only when it is recorded that it cut a stream off, and what became of the request", async () => {
  lane.runner.script = holdTurn;
  const stream = rawStream(lane);
  await expect.poll(() => lane.runner.turns.length).toBe(1);
  lane.runner.last.begin().say("One moment");
  await expect.poll(() => stream.text()).toContain("One moment");
  // As long as it is waited for that, and no longer.
  lane.runner.recording = gate();
  await lane.ingress[Symbol.asyncDispose]();
  expect(count("reportCutOff")).toBe(1);
  expect(lane.requests.entries).toHaveLength(1);
});
