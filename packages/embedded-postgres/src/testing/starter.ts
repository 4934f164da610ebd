import { startEmbeddedPostgres } from "../server/start.ts";

/** Run by tests as a process that can be killed: prints the server's pid, then waits. */
const dataDir = process.argv[2];
if (dataDir === undefined) throw new Error("usage: starter <data dir>");
const server = await startEmbeddedPostgres({ dataDir, log: () => undefined });
// An end without stop(): the server is told on the way out. Listens before the pid is told.
process.once("SIGTERM", () => process.exit(0));
setInterval(() => undefined, 60_000);
process.stdout.write(`${server.pid}\n`);
