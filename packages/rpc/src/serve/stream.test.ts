import { expect, test } from "vitest";
import { LanekeeperError } from "../errors/lanekeeper-error.ts";
import { aborted, collect, echoClient, failure, gate, startEcho } from "../testing/echo.ts";

test("a server stream arrives whole and in order", async () => {
  const { server, reports } = await startEcho();
  const messages = await collect(echoClient(server.address).count({ count: 500 }));
  expect(messages.map(({ index }) => index)).toEqual([...Array(500).keys()]);
  await expect.poll(() => reports).toMatchObject([{ method: "Count", code: "OK" }]);
});

test("an error in the middle comes after the messages before it", async () => {
  const { server } = await startEcho({
    routes: {
      async *count() {
        for (let index = 0; index < 40; index += 1) yield { index };
        throw new LanekeeperError("RESUME_TOKEN_EXPIRED", "too old");
      },
    },
  });
  const stream = echoClient(server.address).count({});
  const seen: number[] = [];
  const read = async () => {
    for await (const { index } of stream) seen.push(index);
  };
  expect(await failure(read())).toMatchObject({ reason: "RESUME_TOKEN_EXPIRED" });
  expect(seen).toHaveLength(40);
  expect((await stream.next()).done).toBe(true);
});

test("an error that overtakes a reader who is behind loses no message", async () => {
  const { server } = await startEcho({
    routes: {
      async *count() {
        for (let index = 0; index < 24; index += 1) yield { index };
        throw new LanekeeperError("RESUME_TOKEN_EXPIRED", "too old");
      },
    },
  });
  const finished = gate();
  const client = echoClient(server.address, { hooks: { onCall: () => finished.open() } });
  const stream = client.count({});
  await finished.opened;
  for (let index = 0; index < 24; index += 1) {
    expect((await stream.next()).value?.index).toBe(index);
  }
  expect(await failure(stream.next())).toMatchObject({ reason: "RESUME_TOKEN_EXPIRED" });
});

test("a reader that leaves the loop cancels the call, and the generator cleans up", async () => {
  const cleaned = gate();
  const { server } = await startEcho({
    routes: {
      async *count() {
        try {
          for (let index = 0; ; index += 1) yield { index };
        } finally {
          cleaned.open();
        }
      },
    },
  });
  for await (const { index } of echoClient(server.address).count({})) if (index === 3) break;
  await cleaned.opened;
  await expect.poll(() => server.inFlight()).toBe(0);
});

test("return() cancels while next() is pending", async () => {
  const started = gate();
  const ended = gate();
  const { server } = await startEcho({
    routes: {
      async *count(_, call) {
        started.open();
        await aborted(call.signal);
        ended.open();
        yield {};
      },
    },
  });
  const stream = echoClient(server.address).count({});
  const pending = stream.next();
  await started.opened;
  await stream.return();
  expect(await pending).toEqual({ done: true, value: undefined });
  await ended.opened;
});

test("a slow reader holds the generator back instead of filling memory", async () => {
  let produced = 0;
  const { server } = await startEcho({
    routes: {
      async *count() {
        for (; produced < 5_000; produced += 1) yield { payload: new Uint8Array(10_000) };
      },
    },
  });
  const stream = echoClient(server.address).count({});
  await stream.next();
  let before = -1;
  await expect
    .poll(
      () => {
        const still = produced === before;
        before = produced;
        return still;
      },
      { interval: 100 },
    )
    .toBe(true);
  expect(produced).toBeLessThan(500);
  let read = 1;
  for await (const _ of stream) read += 1;
  expect(read).toBe(5_000);
});

test("a reader that does not read at all is dropped as SLOW_CONSUMER", async () => {
  const { server, reports } = await startEcho({
    limits: { slowConsumerMs: 50 },
    routes: {
      async *count() {
        while (true) yield { payload: new Uint8Array(10_000) };
      },
    },
  });
  const stream = echoClient(server.address).count({});
  await stream.next();
  await expect.poll(() => reports).toMatchObject([{ reason: "SLOW_CONSUMER" }]);
  expect(await failure(collect(stream))).toMatchObject({ reason: "SLOW_CONSUMER" });
});

test("a stream whose handler fails to start answers with its reason", async () => {
  const { server } = await startEcho({
    routes: {
      count: () => {
        throw new LanekeeperError("NOT_FOUND", "no such thing");
      },
    },
  });
  const stream = echoClient(server.address).count({});
  expect(await failure(stream.next())).toMatchObject({ reason: "NOT_FOUND" });
});

test("a bidirectional stream answers each message, and ends when both sides have ended", async () => {
  const { server } = await startEcho();
  const requests = async function* () {
    for (const text of ["a", "b", "c"]) yield { text };
  };
  const answers = await collect(echoClient(server.address).chat(requests()));
  expect(answers.map(({ text }) => text)).toEqual(["re: a", "re: b", "re: c"]);
});

test("a handler may stop reading and go on writing", async () => {
  const { server } = await startEcho({
    routes: {
      async *chat(requests) {
        for await (const _ of requests) break;
        yield { text: "one was enough" };
      },
    },
  });
  const requests = async function* () {
    yield { text: "a" };
  };
  const answers = await collect(echoClient(server.address).chat(requests()));
  expect(answers).toMatchObject([{ text: "one was enough" }]);
});

test("a client whose requests fail is no clean end for the server", async () => {
  let seen: unknown;
  const arrived = gate();
  const ended = gate();
  const { server } = await startEcho({
    routes: {
      async *chat(requests) {
        try {
          for await (const { text } of requests) {
            arrived.open();
            yield { text };
          }
        } catch (error) {
          seen = error;
          ended.open();
          throw error;
        }
      },
    },
  });
  const requests = async function* () {
    yield { text: "a" };
    await arrived.opened;
    throw new Error("the source broke");
  };
  expect(await failure(collect(echoClient(server.address).chat(requests())))).toMatchObject({
    codeName: "CANCELLED",
  });
  await ended.opened;
  expect(seen).toMatchObject({ codeName: "CANCELLED" });
});
