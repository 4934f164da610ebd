import { expect, test } from "vitest";
import { boundedFetch } from "./bounded-fetch.ts";

async function read(contentType: string, chunks: readonly string[]): Promise<string> {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk));
      controller.close();
    },
  });
  const headers = { "content-type": contentType };
  const fetchOf = async () => new Response(body, { status: 202, headers });
  const response = await boundedFetch(11, fetchOf)("http://127.0.0.1/");
  expect(response.status).toBe(202);
  expect(response.headers.get("content-type")).toBe(contentType);
  return response.text();
}

test.each([
  ["application/json", ["12345", "67890"]],
  ["text/event-stream", ["data: 1\n\nda", "ta: 2\r\n\r\n", "data: 3", "\n\n", "data: 4\n\n"]],
])("what keeps within the bound comes as it was: %s", async (type, chunks) => {
  expect(await read(type, chunks)).toBe(chunks.join(""));
});

test.each([
  ["application/json", ["12345", "6789012"]],
  ["text/event-stream", ["data: 1\n\n", "data: 1\nda", "ta: 2"]],
  ["text/event-stream; charset=utf-8", ["data: 123456"]],
])("a message of more bytes breaks off: %s", async (type, chunks) => {
  await expect(read(type, chunks)).rejects.toThrow("more than 11 bytes");
});

test("an answer without a body stays one", async () => {
  const fetchOf = async () => new Response(null, { status: 204 });
  expect((await boundedFetch(10, fetchOf)("http://127.0.0.1/")).status).toBe(204);
});

test("an answer that breaks off breaks off here too, with what broke it", async () => {
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new Error("connection reset")),
  });
  const response = await boundedFetch(10, async () => new Response(body))("http://127.0.0.1/");
  await expect(response.text()).rejects.toThrow("connection reset");
});

test("an answer that nobody reads on is let go, whether by its reader or for its length", async () => {
  const reasons: unknown[] = [];
  const endless = () =>
    new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(8)),
      cancel: (reason) => void reasons.push(reason),
    });
  const bounded = boundedFetch(10, async () => new Response(endless()));
  await (await bounded("http://127.0.0.1/")).body?.cancel("left");
  await expect((await bounded("http://127.0.0.1/")).text()).rejects.toThrow("more than 10 bytes");
  expect(reasons).toEqual(["left", expect.objectContaining({ message: expect.any(String) })]);
});
