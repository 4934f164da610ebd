import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { gate } from "./gate.ts";
import { startModelServer } from "./model/model-server.ts";
import { isSignedWith, startWebhookSink } from "./webhook-sink.ts";

function ask(baseUrl: string, stream: boolean, signal?: AbortSignal): Promise<Response> {
  return fetch(`${baseUrl}/chat/completions`, {
    method: "POST",
    body: JSON.stringify({ model: "m", stream, messages: [{ role: "user", content: "hi" }] }),
    ...(signal === undefined ? {} : { signal }),
  });
}

describe("the model stand-in", () => {
  test("answers whole and in a stream, and records what it was shown", async () => {
    await using model = await startModelServer();
    model.next({ text: "first" });
    model.next({ chunks: ["sec", "ond"] });
    const whole = await (await ask(model.baseUrl, false)).json();
    expect(whole).toMatchObject({
      choices: [{ message: { content: "first" }, finish_reason: "stop" }],
    });
    const stream = await (await ask(model.baseUrl, true)).text();
    expect(stream).toContain('"content":"sec"');
    expect(stream.trim().endsWith("data: [DONE]")).toBe(true);
    expect(model.requests.map(({ stream: streamed }) => streamed)).toEqual([false, true]);
    expect(model.requests[0]?.messages).toEqual([{ role: "user", content: "hi" }]);
  });

  test("waits at its gates", async () => {
    await using model = await startModelServer();
    const [before, between] = [gate(), gate()];
    model.next({ gate: before, chunks: ["a", "b"], chunkGates: { 1: between } });
    const asked = ask(model.baseUrl, true);
    await model.request(0);
    before.open();
    const reader = (await asked).body?.getReader();
    let text = "";
    while (!text.includes('"content":"a"'))
      text += Buffer.from((await reader?.read())?.value ?? []).toString();
    expect(text).not.toContain('"content":"b"');
    between.open();
    for (let part = await reader?.read(); !part?.done; part = await reader?.read()) {
      text += Buffer.from(part?.value ?? []).toString();
    }
    expect(text).toContain('"content":"b"');
  });

  test("fails, cuts and stalls as told, and notices who hangs up", async () => {
    await using model = await startModelServer();
    model.next({ status: 503, errorMessage: "busy" });
    expect((await ask(model.baseUrl, false)).status).toBe(503);
    model.next({ chunks: ["a", "b"], cutAfter: 1 });
    await expect(ask(model.baseUrl, true).then((response) => response.text())).rejects.toThrow();
    model.next({ chunks: ["a"], stallAfter: 1 });
    const leaving = new AbortController();
    const stalled = await ask(model.baseUrl, true, leaving.signal);
    expect(stalled.status).toBe(200);
    leaving.abort();
    await (await model.request(2)).hungUp;
  });

  test("asks for tools", async () => {
    await using model = await startModelServer({
      toolCalls: [{ id: "call_1", name: "memory_save", arguments: { text: "tea" } }],
    });
    expect(await (await ask(model.baseUrl, false)).json()).toMatchObject({
      choices: [{ finish_reason: "tool_calls", message: { tool_calls: [{ id: "call_1" }] } }],
    });
  });
});

describe("the webhook sink", () => {
  test("records posts, answers as told and tells a forged signature", async () => {
    await using sink = await startWebhookSink({ status: 204 });
    sink.next({ status: 500 });
    const key = Buffer.from("a key of the test");
    const signature = createHmac("sha256", key).update('msg_1.1700000000.{"n":1}').digest("base64");
    const post = () =>
      fetch(sink.url, {
        method: "POST",
        body: '{"n":1}',
        headers: {
          "webhook-id": "msg_1",
          "webhook-timestamp": "1700000000",
          "webhook-signature": `v1,${signature}`,
        },
      });
    expect([(await post()).status, (await post()).status]).toEqual([500, 204]);
    const first = await sink.post(0);
    expect(first).toMatchObject({ id: "msg_1", json: { n: 1 }, path: "/hook" });
    expect(isSignedWith(first, `whsec_${key.toString("base64")}`)).toBe(true);
    expect(isSignedWith(first, `whsec_${Buffer.from("another").toString("base64")}`)).toBe(false);
  });
});
