import { type Server, createServer } from "node:net";
import { readState, writeState } from "../cluster/state-file.ts";

const FILE = "postgres-port";
const HOST = "127.0.0.1";

/** The port of the last start while it is free, so that bookmarks and URLs last; else any free one. */
export async function choosePort(dataDir: string): Promise<number> {
  const remembered = parsePort(await readState(dataDir, FILE));
  return (remembered === undefined ? undefined : await tryListen(remembered)) ?? anyFreePort();
}

export async function rememberPort(dataDir: string, port: number): Promise<void> {
  await writeState(dataDir, FILE, `${port}\n`);
}

export async function anyFreePort(): Promise<number> {
  const port = await tryListen(0);
  if (port === undefined) throw new Error(`no free TCP port on ${HOST}`);
  return port;
}

function parsePort(text: string | undefined): number | undefined {
  const port = Number(text);
  return Number.isInteger(port) && port >= 1024 && port <= 65_535 ? port : undefined;
}

function tryListen(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server: Server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen({ host: HOST, port, exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === "object" && address !== null ? address.port : undefined;
      server.close(() => resolve(bound));
    });
  });
}
