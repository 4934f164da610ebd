import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { create } from "@bufbuild/protobuf";
import { OutboundPartSchema } from "@lanekeeper/protocol/lanekeeper/delivery/v1/delivery";
import { systemClock } from "@lanekeeper/service";
import { startWebhookSink } from "@lanekeeper/testing";
import { expect, onTestFinished, test } from "vitest";
import { type AllowedNetworks, parseNetwork } from "@lanekeeper/addresses";
import { LIMITS, type Limits } from "../../limits.ts";
import { NotSentError, type Reply } from "../channel.ts";
import { KeptConnections } from "../http/kept-connections.ts";
import { boundedLookUps } from "../http/look-ups.ts";
import { type Resolve, systemResolve } from "../http/resolve.ts";
import { FORBIDDEN_ADDRESSES } from "@lanekeeper/addresses/testing";
import { startRecorder } from "../../testing/recorder.ts";
import { webhookChannel } from "./webhook-channel.ts";

const LOOPBACK = ["127.0.0.0/8"].flatMap((text) => parseNetwork(text) ?? []);

/** What a webhook does not look at. */
const REST = {
  tenant: "acme",
  principal: "tester",
  requestLabel: "label",
  traceparent: "",
  kind: 1,
  accountId: "",
  threadId: "",
  gapBefore: 0,
  acceptedPieces: 0,
  isDoubtful: false,
  mayResend: true,
  pieceHandle: "",
  createTime: new Date(0),
};

const REPLY: Reply = {
  deliveryId: "id-1",
  sessionKey: "agent:main:room",
  sessionId: "s-1",
  generation: 3n,
  turnId: "turn-1",
  parts: [],
  address: "",
  signingSecrets: ["whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
  ...REST,
};

interface Options {
  readonly resolve?: Resolve;
  readonly allowed?: AllowedNetworks;
  readonly limits?: Partial<Limits>;
  readonly claim?: () => Promise<void>;
  readonly signal?: AbortSignal;
  readonly parts?: Reply["parts"];
  readonly kept?: KeptConnections;
  readonly mayResend?: boolean;
}

/** Sends one reply; tells how often the right to send was asked for, too. */
async function send(address: string, options: Options = {}) {
  let claims = 0;
  const channel = webhookChannel({
    lookUp: boundedLookUps(options.resolve ?? noNames, 1),
    kept: options.kept ?? new KeptConnections(LIMITS),
    allowed: options.allowed ?? LOOPBACK,
    clock: systemClock,
    limits: { ...LIMITS, ...options.limits },
    version: "1.2.3",
  });
  const claim = async (): Promise<void> => {
    claims += 1;
    await options.claim?.();
  };
  const { signal = new AbortController().signal, parts = [], mayResend = true } = options;
  const reply = { ...REPLY, address, parts, mayResend };
  const outcome = await channel.send(reply, claim, signal, NO_NOTES);
  return { outcome, claims };
}

const NO_NOTES = { pieces: () => undefined, handle: async () => undefined };

const noNames: Resolve = () => Promise.reject(new Error("no name is known"));

function portOf(url: string): string {
  return new URL(url).port;
}

test("the connection goes to the address that was checked, under the name that was given", async () => {
  await using sink = await startWebhookSink();
  const address = `http://hook.example:${portOf(sink.url)}/a?b=c`;
  const asked: string[] = [];
  const resolve: Resolve = async (name) => {
    asked.push(name);
    return ["127.0.0.1"];
  };
  expect(await send(address, { resolve })).toEqual({
    outcome: { kind: "sent", providerMessageId: "" },
    claims: 1,
  });
  expect(asked).toEqual(["hook.example"]);
  const post = await sink.post(0);
  expect(post.path).toBe("/a?b=c");
  expect(post.headers).toMatchObject({
    host: `hook.example:${portOf(sink.url)}`,
    "content-type": "application/json",
    "user-agent": "lanekeeper/1.2.3",
  });
});

test.each(FORBIDDEN_ADDRESSES)(
  "a name that leads to %s (%s) is refused before anything is opened, alone or behind a good one",
  async (forbidden) => {
    const address = "http://hook.example:1/";
    for (const addresses of [[forbidden], ["8.8.8.8", forbidden]]) {
      const resolve: Resolve = async () => addresses;
      const { outcome, claims } = await send(address, { resolve, allowed: [] });
      expect(outcome).toMatchObject({ kind: "refused" });
      expect(claims).toBe(0);
    }
  },
);

test("the machine's own names lead where they lead, by the machine's own resolver", async () => {
  await using sink = await startWebhookSink();
  const address = `http://localhost:${portOf(sink.url)}/`;
  const { outcome } = await send(address, { resolve: systemResolve, allowed: [] });
  expect(outcome).toMatchObject({ kind: "refused" });
  expect(sink.posts).toEqual([]);
});

test("a name that is resolved anew within one attempt could be rebound: it is not", async () => {
  await using sink = await startWebhookSink();
  const answers = [["127.0.0.1"], ["169.254.169.254"], ["10.0.0.1"]];
  const resolve: Resolve = async () => answers.shift() ?? [];
  const address = `http://rebinding.example:${portOf(sink.url)}/`;
  sink.next({ status: 307, headers: { location: address } });
  expect((await send(address, { resolve })).outcome.kind).toBe("refused");
  expect(answers).toHaveLength(2);
  expect(sink.posts).toHaveLength(1);
});

test("a name that changes between two attempts is checked at each, and never within one", async () => {
  await using sink = await startWebhookSink();
  const answers = [["127.0.0.1"], ["10.0.0.1"]];
  const resolve: Resolve = async () => answers.shift() ?? [];
  const address = `http://rebinding.example:${portOf(sink.url)}/`;
  expect((await send(address, { resolve })).outcome.kind).toBe("sent");
  expect((await send(address, { resolve })).outcome).toEqual({
    kind: "refused",
    error: "rebinding.example leads to 10.0.0.1, which is not public (private)",
  });
  expect(sink.posts).toHaveLength(1);
});

test("a name without an address, or that cannot be resolved, may be known later", async () => {
  const nowhere = await send("http://hook.example/", { resolve: async () => [] });
  expect(nowhere.outcome).toEqual({ kind: "failed", error: "hook.example has no address" });
  const unknown = await send("http://hook.example/");
  expect(unknown.outcome).toEqual({ kind: "failed", error: "hook.example: no name is known" });
});

test("a resolver that hangs is left alone after the time to connect", async () => {
  const resolve: Resolve = () => new Promise(() => undefined);
  const { outcome } = await send("http://hook.example/", { resolve, limits: { connectMs: 20 } });
  expect(outcome.kind).toBe("failed");
});

test("a receiver that hangs is left after the time for a post, although memory was collected", async () => {
  await using receiver = await startRecorder();
  setFlagsFromString("--expose-gc");
  const collector = setInterval(runInNewContext("gc") as () => void, 10);
  onTestFinished(() => clearInterval(collector));
  const { outcome } = await send(receiver.url, { limits: { postMs: 200 } });
  expect(outcome.kind).toBe("unknown");
});

test("loopback that is not configured is refused", async () => {
  await using sink = await startWebhookSink();
  const { outcome } = await send(sink.url, { allowed: [] });
  expect(outcome.kind).toBe("refused");
  expect(sink.posts).toEqual([]);
});

test("a receiver that is down is never claimed, and the second address is tried", async () => {
  await using sink = await startWebhookSink();
  const port = portOf(sink.url);
  const closed = await send(`http://127.0.0.2:${port}/`);
  expect(closed).toMatchObject({ outcome: { kind: "failed" }, claims: 0 });
  const resolve: Resolve = async () => ["127.0.0.2", "127.0.0.1"];
  expect((await send(`http://hook.example:${port}/`, { resolve })).outcome.kind).toBe("sent");
});

test("an address that takes a connection and then says nothing does not keep the next from being asked", async () => {
  await using mute = await startRecorder();
  const port = portOf(mute.url);
  await using receiver = await startRecorder("no TLS either\r\n", Number(port), "127.0.0.2");
  const resolve: Resolve = async () => ["127.0.0.1", "127.0.0.2"];
  const limits = { connectMs: 2_000 };
  const { outcome, claims } = await send(`https://hook.example:${port}/`, { resolve, limits });
  expect([outcome.kind, claims]).toEqual(["failed", 0]);
  expect([mute.received(), receiver.received()]).not.toContain("");
});

test("without the right to send not a byte goes out", async () => {
  await using receiver = await startRecorder();
  const claim = () => Promise.reject(new NotSentError("stale", "the session was reset"));
  await expect(send(receiver.url, { claim })).rejects.toThrow(NotSentError);
  await receiver.closed();
  expect(receiver.received()).toBe("");
});

test("a receiver that speaks no HTTP leaves the outcome unknown", async () => {
  await using receiver = await startRecorder("what?\r\n");
  const { outcome } = await send(receiver.url);
  expect(outcome.kind).toBe("unknown");
});

test("an attempt that is cut off after its claim is unknown", async () => {
  await using receiver = await startRecorder();
  const cut = new AbortController();
  const sending = send(receiver.url, { signal: cut.signal });
  await receiver.heard();
  cut.abort(new Error("the process ends"));
  expect((await sending).outcome).toEqual({
    kind: "unknown",
    error: "no answer: the process ends",
  });
});

test("an answer without end is read no further than its first words", async () => {
  await using receiver = await startRecorder(
    `HTTP/1.1 500 No\r\ncontent-length: 1000000000\r\n\r\n${"x".repeat(10_000)}`,
  );
  const { outcome } = await send(receiver.url);
  expect(outcome).toEqual({
    kind: "failed",
    error: `the receiver answered 500: ${"x".repeat(200)}`,
  });
  await receiver.closed();
});

test("a 2xx counts although its body never ends", async () => {
  await using receiver = await startRecorder("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab");
  expect((await send(receiver.url)).outcome.kind).toBe("sent");
});

test("a certificate that nobody vouches for is no connection, and nothing is claimed", async () => {
  await using receiver = await startRecorder("plain text where TLS is spoken\r\n");
  const address = receiver.url.replace("http:", "https:");
  expect(await send(address)).toMatchObject({ outcome: { kind: "failed" }, claims: 0 });
});

test("texts stand together, and each part by itself", async () => {
  await using sink = await startWebhookSink();
  const file = { mediaType: "image/png", fileName: "a.png" };
  const data = Buffer.from("png");
  const parts = [
    create(OutboundPartSchema, { content: { case: "text", value: "one " } }),
    create(OutboundPartSchema, { content: { case: "fileData", value: data }, ...file }),
    create(OutboundPartSchema, { content: { case: "text", value: "two" } }),
    create(OutboundPartSchema, { content: { case: "fileUri", value: "https://files.example/a" } }),
  ];
  await send(sink.url, { parts });
  expect((await sink.post(0)).json).toEqual({
    type: "reply",
    delivery_id: "id-1",
    session: { key: "agent:main:room", id: "s-1", generation: 3 },
    turn_id: "turn-1",
    text: "one two",
    parts: [
      { type: "text", text: "one " },
      { type: "file", data: "cG5n", media_type: "image/png", file_name: "a.png" },
      { type: "text", text: "two" },
      { type: "file", uri: "https://files.example/a" },
    ],
  });
});
