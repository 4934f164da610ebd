import { Code, RpcError, slowConsumer, storeUnavailable } from "@lanekeeper/rpc";
import { expect, test } from "vitest";
import { edgeAt, startEdge, startHttp } from "../testing/edge.ts";

/** The tokens of all messages. */
async function tokens(stream: AsyncIterable<{ readonly resumeToken: string }>): Promise<string[]> {
  const all: string[] = [];
  for await (const { resumeToken } of stream) all.push(resumeToken);
  return all;
}

test("a stream tells its messages and how it ended", async () => {
  const url = await startEdge({
    async *watchSessions() {
      for (let index = 1; index <= 3; index += 1) {
        yield { event: { case: "bookmark", value: {} }, resumeToken: `t${index}` };
      }
      throw slowConsumer("too slow");
    },
  });
  const seen: string[] = [];
  const reading = (async () => {
    for await (const { resumeToken } of edgeAt(url).identity.watchSessions({})) {
      seen.push(resumeToken);
    }
  })();
  await expect(reading).rejects.toMatchObject({ reason: "SLOW_CONSUMER" });
  expect(seen).toEqual(["t1", "t2", "t3"]);
});

test("a message of a megabyte arrives whole", async () => {
  const resumeToken = "x".repeat(1_000_000);
  const url = await startEdge({
    async *watchSessions() {
      yield { resumeToken };
    },
  });
  const seen = await tokens(edgeAt(url).identity.watchSessions({}));
  expect(seen.map((token) => token === resumeToken)).toEqual([true]);
});

test("a stream that fails before its first message is opened again; later it is not", async () => {
  let opened = 0;
  const url = await startEdge({
    async *watchSessions() {
      opened += 1;
      if (opened === 1) throw storeUnavailable("no database");
      yield { resumeToken: "t1" };
      throw storeUnavailable("no database");
    },
  });
  const stream = edgeAt(url).identity.watchSessions({});
  expect((await stream.next()).value?.resumeToken).toBe("t1");
  await expect(stream.next()).rejects.toMatchObject({ reason: "STORE_UNAVAILABLE" });
  expect(opened).toBe(2);
});

test.each(["destroy", "end"] as const)(
  "a stream without its end (%s) is UNAVAILABLE, not complete",
  async (how) => {
    const url = await startHttp((request, response) => {
      request.resume().on("end", () => {
        response.writeHead(200, { "content-type": "application/connect+proto" });
        response.write(Buffer.from([0, 0, 0, 0, 0]), () => response[how]());
      });
    });
    const reading = tokens(edgeAt(url).identity.watchSessions({}));
    await expect(reading).rejects.toMatchObject({ codeName: "UNAVAILABLE" });
  },
);

test("leaving the loop ends the stream at the server", async () => {
  let whenEnded: (() => void) | undefined;
  const ended = new Promise<void>((resolve) => {
    whenEnded = resolve;
  });
  const url = await startEdge({
    async *watchSessions(_, { signal }) {
      yield { resumeToken: "t1" };
      await new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(new RpcError(Code.CANCELLED, "left")));
        signal.addEventListener("abort", () => whenEnded?.(), { once: true });
      });
    },
  });
  for await (const { resumeToken } of edgeAt(url).identity.watchSessions({})) {
    expect(resumeToken).toBe("t1");
    break;
  }
  await ended;
});
