import { once } from "node:events";
import { connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { startConnectEcho } from "../testing/connect-echo.ts";
import { auth } from "../testing/connect-transports.ts";
import { EchoService } from "../testing/gen/lanekeeper/rpctest/v1/echo_service_pb.ts";

/** Asks over HTTP/1.1 and reads nothing of the answer. */
async function askAndNotRead(url: string, method: string, contentType: string, body: string) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).pause();
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  const headers = {
    ...auth,
    host: "localhost",
    "content-type": contentType,
    "content-length": String(body.length),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`POST /${EchoService.typeName}/${method} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
  return socket;
}

/** A door whose stream has no end, and tells whether it is open. */
async function endless(slowConsumerMs: number) {
  let isOpen: boolean | undefined;
  const door = await startConnectEcho({
    limits: { slowConsumerMs },
    routes: {
      async *count() {
        isOpen = true;
        try {
          while (true) yield { payload: new Uint8Array(100_000) };
        } finally {
          isOpen = false;
        }
      },
    },
  });
  const ask = () =>
    askAndNotRead(door.url, "Count", "application/connect+json", "\0\0\0\0\u0002{}");
  const stands = () => [isOpen, door.handler.inFlight()];
  return { ...door, ask, stands };
}

test("a stream whose reader does not read is dropped as SLOW_CONSUMER, and holds nothing any more", async () => {
  const { reports, ask, stands } = await endless(50);
  await ask();
  await expect.poll(() => reports).toMatchObject([{ reason: "SLOW_CONSUMER" }]);
  await expect.poll(stands).toEqual([false, 0]);
});

test("a stream whose reader leaves without having read ends with it", async () => {
  const { reports, ask, stands } = await endless(60_000);
  const socket = await ask();
  await expect.poll(stands).toEqual([true, 1]);
  socket.destroy();
  await expect.poll(() => reports).toMatchObject([{ code: "CANCELLED" }]);
  await expect.poll(stands).toEqual([false, 0]);
});

test("an answer that nobody reads is cut off", async () => {
  const { url } = await startConnectEcho({
    limits: { slowConsumerMs: 50 },
    routes: { echo: async () => ({ text: "x".repeat(16_000_000) }) },
  });
  const socket = await askAndNotRead(url, "Echo", "application/json", "{}");
  const cut = new Promise((resolve) => socket.once("error", resolve));
  // Who does not read is told of the end by what it says after it.
  const talking = setInterval(() => socket.write("\r\n"), 10);
  onTestFinished(() => clearInterval(talking));
  await cut;
});
