import { SessionBusySchema } from "@lanekeeper/protocol/lanekeeper/identity/v1/session";
import { ChannelKind } from "@lanekeeper/protocol/lanekeeper/ingress/v1/channel";
import { errorDetail, LanekeeperError, later, storeUnavailable } from "@lanekeeper/rpc";
import { recordSpans } from "@lanekeeper/service/testing";
import { gate, startTelegramServer, type TelegramServer } from "@lanekeeper/testing";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { addAccount, CHANNEL_ENV, soon } from "../../testing/channels.ts";
import { MemoryLeases } from "../../testing/memory-stores.ts";
import { GROUP, message, PRIVATE, update } from "../../testing/telegram.ts";
import { startTestIngress, type TestIngress } from "../../testing/test-ingress.ts";

const BOT = {
  ...{ kind: ChannelKind.TELEGRAM, accountId: "helpdesk_bot" },
  ...{ tokenEnv: "TELEGRAM_BOT_TOKEN", polling: true },
} as const;

let telegram: TelegramServer;
let leases: MemoryLeases;
const lanes: TestIngress[] = [];

beforeEach(async () => {
  telegram = await startTelegramServer(CHANNEL_ENV.TELEGRAM_BOT_TOKEN);
  leases = new MemoryLeases();
});
afterEach(async () => {
  for (const lane of lanes.splice(0)) {
    await lane[Symbol.asyncDispose]();
    expect(lane.log.text()).not.toContain(CHANNEL_ENV.TELEGRAM_BOT_TOKEN);
  }
  await telegram[Symbol.asyncDispose]();
});

async function replica(limits: object = {}): Promise<TestIngress> {
  const lane = await startTestIngress({
    ...{ channelEnv: CHANNEL_ENV, telegramUrl: `${telegram.origin}/`, pollLeases: leases },
    limits: { pollLeaseMs: 200, ...limits },
  });
  addAccount(lane, BOT);
  lanes.push(lane);
  return lane;
}

const say = (id: number, text = "Hi") =>
  telegram.updates.push(update(id, message(PRIVATE, { message_id: id, text })));
const heard = ({ runner }: TestIngress) =>
  runner.turns.map(({ submit }) => submit.origin?.externalMessageId);
const asked = () => soon(() => telegram.updates.isAsked).toBe(true);

test("updates are taken in order and confirmed when the next are asked for", async () => {
  const lane = await replica();
  for (const id of [1, 2, 3]) say(id);
  await soon(() => telegram.updates.unconfirmed.length).toBe(0);
  expect(heard(lane)).toEqual([1, 2, 3].map((id) => `77/${id}`));
  expect(lane.delivery.registered[0]).toMatchObject({ accountId: "helpdesk_bot", address: "77" });
});

test("an update that cannot be accepted now holds back those behind it, and none is lost", async () => {
  await using _spans = await recordSpans();
  const lane = await replica({ maxUpdateAttempts: 1 });
  lane.runner.refusal = storeUnavailable("away");
  say(1);
  say(2);
  await soon(() => lane.log.text()).toContain("not taken yet");
  expect(telegram.updates.unconfirmed).toHaveLength(2);
  const waits = lane.log.lines.find(({ msg }) => msg === "an update is not taken yet");
  const traces = lane.runner.calls.map(({ call }) => call.traceparent?.split("-")[1]);
  expect(traces).toContain(waits?.["trace_id"]);
  lane.runner.refusal = undefined;
  await soon(() => heard(lane).length).toBe(2);
});

test("an update that is in the way for a reason of its own is given up, and said so", async () => {
  const lane = await replica({ maxUpdateAttempts: 3 });
  lane.runner.refusal = new LanekeeperError("INTERNAL", "a defect");
  say(1);
  await soon(() => lane.log.text()).toContain("an update is given up");
  lane.runner.refusal = undefined;
  say(2);
  await soon(() => heard(lane)).toEqual(["77/2"]);
});

test("an update has all of its attempts, whatever those before it took", async () => {
  const lane = await replica({ maxUpdateAttempts: 1_000 });
  lane.runner.refusal = new LanekeeperError("INTERNAL", "a defect");
  say(1);
  await soon(() => lane.log.text()).toContain('"update_id":1,"attempts":2');
  // As by an operator's setWebhook with drop_pending_updates.
  telegram.updates.drop();
  say(2);
  await soon(() => lane.log.text()).toContain('"update_id":2,"attempts":1');
  lane.runner.refusal = undefined;
  await soon(() => heard(lane)).toEqual(["77/2"]);
});

test("an update that is refused for good is no obstacle", async () => {
  const lane = await replica();
  telegram.updates.push({ update_id: 1 });
  telegram.updates.push(update(2, { nonsense: true }));
  say(3);
  await soon(() => heard(lane)).toEqual(["77/3"]);
});

test("an update that a busy lane rejects holds up no other chat of its bot", async () => {
  const lane = await replica({ maxUpdateAttempts: 1_000 });
  const details = [errorDetail(SessionBusySchema, { holder: { runId: "r" } })];
  lane.runner.refusal = later("SESSION_BUSY", "a run holds the lane", 1_000, { details });
  say(1);
  await soon(() => lane.delivery.said.size).toBe(1);
  lane.runner.refusal = undefined;
  telegram.updates.push(update(2, message(GROUP, { message_id: 1, text: "Hi" })));
  await soon(() => heard(lane)).toEqual([`${GROUP.id}/1`]);
});

describe("an album", () => {
  const file = (id: number, more: object = {}) => {
    const file_id = `docs/${id}.txt`;
    telegram.files.set(file_id, Buffer.from(`file ${id}`));
    const document = { file_id, file_unique_id: String(id), file_name: `${id}.txt` };
    const album = { message_id: id, document, media_group_id: "13579", ...more };
    telegram.updates.push(update(id, message(PRIVATE, album)));
  };
  /** Holds the download of a file. */
  const slow = (id: number) => {
    const hold = gate();
    telegram.next(`file/docs/${id}.txt`, { gate: hold });
    return hold;
  };
  const downloads = (id: number) => telegram.of(`file/docs/${id}.txt`).length;

  test("is taken at once when all of its files are there, however long each takes", async () => {
    const hold = slow(2);
    for (const id of [1, 2, 3]) file(id);
    const lane = await replica();
    await soon(() => [1, 2, 3].map(downloads)).toEqual([1, 1, 1]);
    expect(lane.runner.turns).toEqual([]);
    expect(telegram.updates.unconfirmed).toHaveLength(3);
    hold.open();
    await soon(() => heard(lane)).toEqual([1, 2, 3].map((id) => `77/${id}`));
    const files = lane.runner.turns.map(({ submit }) => submit.messages[0]?.parts[0]?.content);
    expect(files).toMatchObject([1, 2, 3].map(() => ({ case: "file" })));
    await soon(() => telegram.updates.unconfirmed).toEqual([]);
  });

  test("is one also where Telegram gives the first of it alone", async () => {
    const [first, second] = [slow(1), slow(2)];
    const lane = await replica();
    await asked();
    file(1);
    await soon(() => downloads(1)).toBe(1);
    for (const id of [2, 3]) file(id);
    first.open();
    await soon(() => [2, 3].map(downloads)).toEqual([1, 1]);
    expect(lane.runner.turns).toEqual([]);
    second.open();
    await soon(() => heard(lane)).toEqual([1, 2, 3].map((id) => `77/${id}`));
    expect([1, 2, 3].map(downloads)).toEqual([1, 1, 1]);
  });

  test("keeps its place among what others say meanwhile, and few files are fetched at once", async () => {
    const holds = [1, 2, 4, 5].map(slow);
    file(1);
    file(2);
    say(3);
    for (const id of [4, 5, 6]) file(id);
    say(7);
    const lane = await replica({ albumReadsAtOnce: 4 });
    await soon(() => [1, 2, 4, 5].map(downloads)).toEqual([1, 1, 1, 1]);
    expect([downloads(6), lane.runner.turns.length]).toEqual([0, 0]);
    for (const hold of holds) hold.open();
    await soon(() => heard(lane)).toEqual([1, 2, 3, 4, 5, 6, 7].map((id) => `77/${id}`));
  });

  test("that is not all taken is confirmed as far as it is, and none of it is lost or taken twice", async () => {
    for (const id of [1, 2]) file(id);
    const lane = await replica({ maxUpdateAttempts: 1 });
    lane.runner.refusal = storeUnavailable("away");
    await soon(() => lane.log.text()).toContain("not taken yet");
    expect(telegram.updates.unconfirmed).toHaveLength(2);
    lane.runner.refusal = undefined;
    await soon(() => heard(lane)).toEqual(["77/1", "77/2"]);
  });

  test("of one bot that is left in the middle is read by the next", async () => {
    const hold = slow(1);
    for (const id of [1, 2]) file(id);
    const first = await replica();
    await soon(() => downloads(1)).toBe(1);
    lanes.splice(lanes.indexOf(first), 1);
    await first[Symbol.asyncDispose]();
    hold.open();
    expect([first.runner.turns.length, telegram.updates.unconfirmed.length]).toEqual([0, 2]);
    const second = await replica();
    await soon(() => heard(second)).toEqual(["77/1", "77/2"]);
  });
});

test("of two replicas one asks; when it leaves the other goes on where it was", async () => {
  const limits = { pollLeaseMs: 2_000 };
  const [first, second] = [await replica(limits), await replica(limits)];
  await asked();
  say(1);
  await soon(() => heard(first).length + heard(second).length).toBe(1);
  const [holder, other] = heard(first).length === 1 ? [first, second] : [second, first];
  expect(telegram.updates.conflicts).toBe(0);
  lanes.splice(lanes.indexOf(holder), 1);
  await holder[Symbol.asyncDispose]();
  say(2);
  await soon(() => heard(other)).toContain("77/2");
});

test("a replica that stands by, which came by ever more rarely, asks as often as at first", async () => {
  const patient = { pollBackoffMs: { first: 5, longest: 3_600_000 } };
  const [first, second] = [await replica(patient), await replica(patient)];
  await asked();
  const before = leases.refused;
  await soon(() => leases.refused - before).toBeGreaterThan(16);
  const warned = [first, second].filter(({ log }) => log.text().includes("cannot be asked"));
  expect(warned).toEqual([]);
});

test("an account that is taken out of the configuration is asked for no more", async () => {
  const lane = await replica();
  await asked();
  lane.accounts.accounts.splice(0);
  await soon(() => leases.holders.size).toBe(0);
});

test("Telegram's refusals are said, and asking goes on", async () => {
  telegram.next("getUpdates", {
    answer: { ok: false, error_code: 409, description: "Conflict: can't use getUpdates" },
  });
  const lane = await replica();
  await soon(() => lane.log.text()).toContain("Conflict: can't use getUpdates");
  say(1);
  await soon(() => heard(lane)).toHaveLength(1);
});

test("a Telegram that holds no request, or answers with what are no updates, is not asked without a pause", async () => {
  for (const answer of [{ ok: true, result: [] }, { ok: true }, { ok: true, result: [{}] }]) {
    for (let at = 0; at < 4; at += 1) telegram.next("getUpdates", { answer });
  }
  const lane = await replica({ pollBackoffMs: { first: 100, longest: 100 } });
  await telegram.call("getUpdates", 0);
  const startedMs = performance.now();
  await telegram.call("getUpdates", 12);
  expect(performance.now() - startedMs).toBeGreaterThan(1_000);
  say(1);
  await soon(() => heard(lane)).toHaveLength(1);
});

test("a file that is cut off, or fails for once, is fetched again", async () => {
  const document = (id: number) => {
    const file_id = `docs/${id}.txt`;
    telegram.files.set(file_id, Buffer.from(`file ${id}`));
    return { file_id, file_unique_id: String(id), file_name: `${id}.txt` };
  };
  telegram.next("file/docs/1.txt", { cut: "during" });
  telegram.next("file/docs/2.txt", { status: 502, page: "<html>" });
  telegram.next("getFile", {});
  telegram.next("getFile", {});
  telegram.next("getFile", { status: 500, page: "<html>" });
  for (const id of [1, 2, 3]) {
    const more = { message_id: id, document: document(id) };
    telegram.updates.push(update(id, message(PRIVATE, more)));
  }
  const lane = await replica();
  await soon(() => lane.runner.turns.length).toBe(3);
  const parts = lane.runner.turns.map(({ submit }) => submit.messages[0]?.parts[0]?.content.case);
  expect(parts).toEqual(["file", "file", "file"]);
});

test("a database that is away is waited for", async () => {
  leases.isDown = true;
  const lane = await replica();
  await soon(() => lane.log.text()).toContain("updates cannot be asked for now");
  leases.isDown = false;
  say(1);
  await soon(() => heard(lane)).toHaveLength(1);
});
