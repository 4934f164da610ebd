import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A call and its answer travel as a line of JSON each; those of a moment go together. */
interface Line {
  readonly id: number;
  readonly body: unknown;
}

/** Answers calls at a free port of this machine until `close`. */
export async function serveLines<Call>(
  handle: (call: Call) => Promise<unknown>,
): Promise<{ readonly port: number; close(): void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    const send = sender(socket);
    onLine(socket, async ({ id, body }) => send({ id, body: await handle(body as Call) }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** Calls whoever serves lines at a port. */
export function callLines<Call, Answer>(
  port: number,
): { call(body: Call): Promise<Answer>; close(): void } {
  const socket = connect(port, "127.0.0.1");
  const send = sender(socket);
  const waiting = new Map<number, (answer: unknown) => void>();
  let last = 0;
  onLine(socket, ({ id, body }) => {
    waiting.get(id)?.(body);
    waiting.delete(id);
  });
  return {
    call: (body) =>
      new Promise<Answer>((resolve) => {
        last += 1;
        waiting.set(last, (answer) => resolve(answer as Answer));
        send({ id: last, body });
      }),
    close: () => socket.destroy(),
  };
}

function sender(socket: Socket): (line: Line) => void {
  let lines: string[] = [];
  const flush = (): void => {
    socket.write(`${lines.join("\n")}\n`);
    lines = [];
  };
  return (line) => {
    if (lines.push(JSON.stringify(line)) === 1) setImmediate(flush);
  };
}

function onLine(socket: Socket, take: (line: Line) => void): void {
  let rest = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(JSON.parse(line) as Line);
  });
}
