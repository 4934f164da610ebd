import { type ClientHttp2Session, connect, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { eventually } from "@lanekeeper/testing";
import { expect, onTestFinished, test } from "vitest";
import { CallProxy, type Mishap } from "./call-proxy.ts";

/** A server that answers each call with what it was asked, as gRPC does, behind a proxy that hits all. */
async function world(mishap: Mishap) {
  const asked: string[] = [];
  const server = createServer();
  server.on("stream", (stream, headers) => {
    let body = "";
    stream.setEncoding("utf8").on("data", (text: string) => (body += text));
    stream.on("end", () => {
      asked.push(body);
      stream.respond({ ":status": 200, "x-path": headers[":path"] }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(`heard ${body}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const proxy = await CallProxy.open(
    () => port,
    mishap,
    () => 0,
  );
  const client = connect(`http://127.0.0.1:${proxy.port}`);
  onTestFinished(async () => {
    client.destroy();
    await proxy[Symbol.asyncDispose]();
    server.close();
  });
  return { asked, proxy, client };
}

/** Calls once; resolves to what came until the call was over. */
function call(client: ClientHttp2Session, text: string, leaveAfterMs?: number) {
  return new Promise<{ body: string; status: string | undefined }>((resolve) => {
    const stream = client.request({ ":method": "POST", ":path": "/service/Call" });
    let [body, status] = ["", undefined as string | undefined];
    stream.on("response", (headers) => (status = headers["grpc-status"] as string | undefined));
    stream.on("trailers", (trailers) => (status = trailers["grpc-status"] as string | undefined));
    stream.setEncoding("utf8").on("data", (piece: string) => (body += piece));
    stream.on("error", () => undefined);
    stream.on("close", () => resolve({ body, status }));
    stream.end(text);
    if (leaveAfterMs !== undefined) setTimeout(() => stream.close(8), leaveAfterMs);
  });
}

test("a request that is lost reaches nobody, and its caller is told that the way was lost", async () => {
  const { asked, proxy, client } = await world("the request is lost");
  expect(await call(client, "a")).toEqual({ body: "", status: "14" });
  expect([asked, proxy.hits]).toEqual([[], 1]);
});

test("a reply that is lost took effect", async () => {
  const { asked, client } = await world("the reply is lost, the call took effect");
  expect(await call(client, "a")).toEqual({ body: "", status: "14" });
  expect(asked).toEqual(["a"]);
});

test("a request that comes twice has one answer", async () => {
  const { asked, proxy, client } = await world("the request comes twice");
  expect(await call(client, "a")).toEqual({ body: "heard a", status: "0" });
  await proxy.settled();
  expect(asked).toEqual(["a", "a"]);
});

test("a request that comes late comes although its caller has left", async () => {
  const { asked, proxy, client } = await world("the request comes late");
  expect(await call(client, "a", 100)).toEqual({ body: "", status: undefined });
  expect(asked).toEqual([]);
  await proxy.settled();
  await eventually(() => asked.length === 1);
});
