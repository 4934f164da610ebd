import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { type Ask, ask } from "../testing/ask.ts";
import { nothingWritten } from "../testing/nothing-written.ts";
import { closed, rawRequest } from "../testing/raw-request.ts";

const lane = nothingWritten();

const raw = (bytes: string | Uint8Array) => rawRequest(lane(), bytes);

/** A request line and headers as they are written here, by a credential that may do all. */
function head(line: string, ...headers: readonly string[]): string {
  const authorization = `authorization: Bearer ${lane().apiKey}`;
  const json = "content-type: application/json";
  return [line, "host: x", authorization, json, "connection: close", ...headers, "", ""].join(
    "\r\n",
  );
}

const CHAT = "POST /v1/chat/completions HTTP/1.1";
const RPC = "POST /lanekeeper.ingress.v1.IngressService/GetCaller HTTP/1.1";
const EVENTS = "GET /lanekeeper/v1/events HTTP/1.1";
const DOORS = [
  CHAT,
  "POST /v1/responses HTTP/1.1",
  "GET /v1/models HTTP/1.1",
  RPC,
  EVENTS,
] as const;

describe("a header that says two things is refused at every door:", () => {
  test.each(DOORS.map((door) => [door]))("%s", async (door) => {
    for (const header of ["authorization: Bearer lk_other", "x-request-id: a", "host: y"]) {
      const text = await raw(head(door, "x-request-id: b", header));
      expect(text).toMatch(/^HTTP\/1\.1 400 /);
      expect(text).toContain("the header is repeated; send it once");
    }
    const noHost = head(door).replace("host: x\r\n", "");
    expect(await raw(noHost)).toContain("host: the header is missing");
  });
});

describe("bytes that are no proper request are answered, not obeyed:", () => {
  const chunked = "transfer-encoding: chunked";
  test.each<readonly [what: string, bytes: () => string | Uint8Array, status: number]>([
    ["two lengths", () => `${head(CHAT, "content-length: 2", "content-length: 3")}{}`, 400],
    ["a length and chunks", () => `${head(CHAT, "content-length: 2", chunked)}0\r\n\r\n`, 400],
    ["a length below zero", () => head(CHAT, "content-length: -1"), 400],
    ["a chunk that is none", () => `${head(CHAT, chunked)}zz\r\n`, 400],
    ["a chunk with endless notes", () => `${head(CHAT, chunked)}2;${"a".repeat(30_000)}\r\n`, 400],
    ["a header in two lines", () => head(CHAT, "x-session-key: a\r\n b"), 400],
    ["a header within a header", () => head(CHAT, "x-session-key: a\nset-cookie: b"), 400],
    ["a header with U+0000", () => head(CHAT, "x-session-key: a\0b"), 400],
    ["a header without a name", () => head(CHAT, ": b"), 400],
    ["a space before a colon", () => head(CHAT, "x-session-key : a"), 400],
    ["more headers than there is room for", () => head(CHAT, `x: ${"x".repeat(20_000)}`), 431],
    [
      "a longer path than there is room for",
      () => head(`GET /${"x".repeat(20_000)} HTTP/1.1`),
      431,
    ],
    ["the preface of HTTP/2", () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    ["the beginning of TLS", () => Buffer.from([0x16, 3, 1, 0, 0xff, 1, 0, 0, 0xfb, 3, 3]), 400],
    ["a tunnel", () => head("CONNECT a.example:443 HTTP/1.1"), 405],
    ["a method that there is not", () => head("STEAL / HTTP/1.1"), 400],
  ])("%s", async (_what, bytes, status) => {
    const text = await raw(bytes());
    expect(text.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
    expect(text).toMatch(/\r\nx-request-id: .*\r\nx-lane-disposition: rejected\r\n/);
    expect(text).toMatch(/"message":"[^"]{5}/);
    expect(text.match(/HTTP\/1\.1/g)?.length).toBe(
      1 + (text.match(/well-formed HTTP/g)?.length ?? 0),
    );
  });

  test("a trailer decides nothing", async () => {
    const text = await raw(`${head(CHAT, chunked)}2\r\n{}\r\n0\r\nx-session-key: evil\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 400 [^]*"param":"model"/);
  });

  test("an expectation that is not known does not keep a request from its answer", async () => {
    const text = await raw(`${head(CHAT, "expect: the-unexpected", "content-length: 2")}{}`);
    expect(text).toMatch(/^HTTP\/1\.1 400 [^]*"param":"model"/);
  });
});

describe("headers that hold what they may not:", () => {
  test.each<readonly [what: string, headers: NonNullable<Ask["headers"]>, told: string]>([
    ["a key as Latin-1", { "x-session-key": "caf\xe9" }, "x-session-key"],
    ["an encoding that is none", { "x-session-key-encoded": "%zz" }, "x-session-key-encoded"],
    ["half a character", { "x-session-key-encoded": "%ed%a0%80" }, "x-session-key-encoded"],
    ["two keys", { "x-session-key": "a", "x-openclaw-session-key": "b" }, "x-session-key"],
    ["a generation that is none", { "x-expect-generation": "-1" }, "x-expect-generation"],
    ["an agent that is none", { "x-agent-id": "../main" }, "x-agent-id"],
    ["an idempotency key with a space", { "idempotency-key": "a b" }, "idempotency-key"],
    ["an endless idempotency key", { "idempotency-key": "x".repeat(300) }, "idempotency-key"],
    ["a conflict that there is not", { "x-on-conflict": "preempt" }, "x-on-conflict"],
  ])("%s", async (_what, headers, told) => {
    const { status, text } = await ask(lane(), { headers });
    expect([status, text]).toEqual([400, expect.stringContaining(told)]);
  });
});

describe("paths lead to what they name and nowhere else:", () => {
  test.each([
    ["/v1/../v1/models", 404],
    ["/v1/models/../../lanekeeper/v1/events", 404],
    ["/v1/models/..%2f..%2fetc%2fpasswd", 404],
    ["/v1/models/%00", 404],
    ["/v1/models/%", 400],
    ["/v1/models/%C0%AE", 400],
    ["//v1/models", 404],
    ["/v1/models/", 404],
    ["/V1/models", 404],
    ["/v1/models;a=b", 404],
    ["/v1%2fmodels", 404],
    ["/v1/responses/..%2f..%2f", 404],
    ["/channels/../v1/models", 405],
    ["/lanekeeper.ingress.v1.IngressService/../IngressService/GetCaller", 404],
    ["http://elsewhere.example/v1/models", 404],
    ["*", 404],
  ])("GET %s is %i", async (path, status) => {
    const text = await raw(head(`GET ${path} HTTP/1.1`));
    expect(text.slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
    expect(text).toContain('"message":');
  });

  test.each(["..%2fhelpdesk", "%00", "helpdesk/", "helpdesk/x", "", "HELPDESK"])(
    "no event comes in at /channels/webhook/%s",
    async (account) => {
      const { status } = await ask(lane(), { path: `/channels/webhook/${account}`, body: "{}" });
      expect([401, 404]).toContain(status);
    },
  );
});

describe("whoever sends slowly is cut off:", () => {
  const hasty = nothingWritten({
    headersTimeoutMs: 150,
    requestTimeoutMs: 150,
    timeoutCheckMs: 20,
  });
  test.each([
    ["headers", () => CHAT.concat("\r\nhost: x\r\nx-filler: ")],
    ["a body", () => head(CHAT, "content-length: 1000")],
  ])("%s, a byte at a time", async (_what, begin) => {
    const socket = connect(hasty().ingress.httpPort, "127.0.0.1");
    socket.on("error", () => undefined).write(begin());
    let text = "";
    socket.setEncoding("latin1").on("data", (part: string) => (text += part));
    // Never idle for long, and never done.
    const timer = setInterval(() => socket.write("x"), 10);
    await closed(socket);
    clearInterval(timer);
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
  });
});
