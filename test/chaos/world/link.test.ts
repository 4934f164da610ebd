import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { eventually } from "@lanekeeper/testing";
import { expect, onTestFinished, test } from "vitest";
import { Link } from "./link.ts";

/** A server that echoes, behind a link. */
async function world() {
  const served: Socket[] = [];
  const server = createServer((socket) => {
    served.push(socket);
    socket.on("error", () => undefined).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const link = await Link.open("a link");
  link.lead((server.address() as AddressInfo).port);
  const clients: Socket[] = [];
  onTestFinished(async () => {
    for (const socket of [...clients, ...served]) socket.destroy();
    await link[Symbol.asyncDispose]();
    server.close();
  });
  const open = async () => {
    const client = connect(link.port, "127.0.0.1");
    clients.push(client);
    client.on("error", () => undefined);
    return client;
  };
  return { link, served, open };
}

async function echo(client: Socket, text: string): Promise<string> {
  const heard = once(client, "data");
  client.write(text);
  return String((await heard)[0]);
}

test("one end goes, and the other is told nothing and hears nothing; new connections pass", async () => {
  const { link, served, open } = await world();
  const client = await open();
  expect(await echo(client, "a")).toBe("a");
  expect(link.halfOpen(1)).toBe(1);
  await eventually(() => served[0]?.destroyed === true);
  let heard = "";
  client.on("data", (bytes) => (heard += String(bytes)));
  client.write("b");
  expect(await echo(await open(), "c")).toBe("c");
  expect([client.destroyed, heard]).toEqual([false, ""]);
  expect(link.halfOpen(1)).toBe(1);
});

test("who connected goes, and the server keeps its end", async () => {
  const { link, served, open } = await world();
  const client = await open();
  expect(await echo(client, "a")).toBe("a");
  link.halfOpen(0);
  await eventually(() => client.destroyed);
  expect(await echo(await open(), "c")).toBe("c");
  expect(served.map(({ destroyed }) => destroyed)).toEqual([false, false]);
});

test("a link that is cut closes what is open and takes nothing, until it is open again", async () => {
  const { link, open } = await world();
  const client = await open();
  expect(await echo(client, "a")).toBe("a");
  link.weather = "cut";
  await eventually(() => client.destroyed);
  const refused = await open();
  await eventually(() => refused.destroyed);
  link.weather = "open";
  expect(await echo(await open(), "b")).toBe("b");
  // The connection that was open, and the one that was refused.
  expect(link.touched).toBe(2);
});

test("what a link holds up or swallows is counted, where anything passes", async () => {
  const { link, open } = await world();
  const client = await open();
  expect(await echo(client, "a")).toBe("a");
  link.weather = "blackhole";
  expect(link.touched).toBe(0);
  client.write("b");
  await eventually(() => link.touched === 1);
  link.weather = "delay";
  expect(await echo(await open(), "c")).toBe("c");
  // There and back.
  expect(link.touched).toBe(2);
});

test("what was held up is not overtaken by what comes once the link is fast again", async () => {
  const { link, open } = await world();
  const client = await open();
  expect(await echo(client, "a")).toBe("a");
  let heard = "";
  client.on("data", (bytes) => (heard += String(bytes)));
  link.weather = "delay";
  client.write("b");
  await eventually(() => link.touched === 1);
  link.weather = "open";
  client.write("c");
  await eventually(() => heard.length === 2);
  expect(heard).toBe("bc");
});
